import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {gitOwnerAndName, ownerAndName} from './git-remote.ts'

it.each([
  ['git@github.com:acme/web.git', 'acme/web'],
  ['https://github.com/acme/web', 'acme/web'],
  ['https://user:secret@host/acme/web.git/', 'acme/web'],
  ['ssh://git@host:22/group/team/web.git', 'team/web'],
  ['/srv/git/web.git', null],
  ['file:///srv/git/web.git', null],
  ['https://host/web.git', null],
])('%s is %s', (url, expected) => {
  expect(ownerAndName(url)).toBe(expected)
})

describe('gitOwnerAndName', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'hearth-git-'))
  })
  afterEach(() => rmSync(root, {recursive: true}))
  const remotes = (...lines: readonly string[]) => `[core]\n\tbare = false\n${lines.join('\n')}\n`
  const remote = (name: string, url: string) => `[remote "${name}"]\n\turl = ${url}\n\tfetch = +refs/heads/*`
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), {recursive: true})
    writeFileSync(join(root, path), text)
  }

  it('prefers origin, from any depth', () => {
    write('.git/config', remotes(remote('fork', 'git@h:me/web.git'), remote('origin', 'git@h:acme/web.git')))
    mkdirSync(join(root, 'a/b'), {recursive: true})
    expect(gitOwnerAndName(join(root, 'a/b'))).toBe('acme/web')
  })

  it('takes the only remote, whatever its name, and none of several', () => {
    write('.git/config', remotes(remote('upstream', 'git@h:acme/web.git')))
    expect(gitOwnerAndName(root)).toBe('acme/web')
    write('.git/config', remotes(remote('a', 'git@h:acme/a.git'), remote('b', 'git@h:acme/b.git')))
    expect(gitOwnerAndName(root)).toBe(null)
  })

  it('follows the .git file of a worktree', () => {
    write('main/.git/config', remotes(remote('origin', 'git@h:acme/web.git')))
    write('main/.git/worktrees/w/commondir', '../..\n')
    write('w/.git', 'gitdir: ../main/.git/worktrees/w\n')
    expect(gitOwnerAndName(join(root, 'w'))).toBe('acme/web')
  })

  it('is null without a remote', () => {
    write('.git/config', remotes())
    expect(gitOwnerAndName(root)).toBe(null)
  })
})
