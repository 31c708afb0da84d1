import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {WhoAmI} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import type {Connection} from '../profile.ts'
import {cleanName, resolveProject} from './project.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hearth-project-'))
  mkdirSync(join(root, 'My App/src'), {recursive: true})
})
afterEach(() => rmSync(root, {recursive: true}))

const connection: Connection = {url: 'http://127.0.0.1:7433', token: 'x'}
const me = (projects: WhoAmI['projects'], createsProjects = false): WhoAmI => ({
  kind: 'project',
  name: 'ci',
  projects,
  trust: 'trusted',
  createsProjects,
})
type Ask = {flag?: string; environment?: NodeJS.ProcessEnv; connection?: Partial<Connection>; whoAmI?: WhoAmI}
const resolve = async ({flag, environment = {}, connection: more, whoAmI}: Ask) => {
  let asked = false
  const answer = async () => {
    asked = true
    if (!whoAmI) throw new Error('the fleet was asked without need')
    return whoAmI
  }
  const directory = join(root, 'My App/src')
  const chosen = await resolveProject({
    flag: flag ?? null,
    environment,
    directory,
    connection: {...connection, ...more},
    whoAmI: answer,
  })
  return {...chosen, asked}
}
const embedded = {createsProjects: true}
const writeJson = (path: string, value: unknown) => writeFileSync(join(root, path), JSON.stringify(value))
const writeRemote = () => {
  mkdirSync(join(root, 'My App/.git'))
  writeFileSync(join(root, 'My App/.git/config'), '[remote "origin"]\n\turl = git@host:Acme/Web.git\n')
}

describe('resolveProject, in this order', () => {
  it('--project', async () => {
    const environment = {HEARTH_PROJECT: 'other'}
    expect(await resolve({flag: 'acme/web', environment})).toEqual({name: 'acme/web', create: false, asked: false})
    expect((await resolve({flag: 'web', connection: embedded})).create).toBe(true)
  })

  it('HEARTH_PROJECT', async () => {
    writeJson('hearth.json', {project: 'file'})
    expect(await resolve({environment: {HEARTH_PROJECT: 'variable'}})).toMatchObject({name: 'variable', asked: false})
  })

  it('the nearest hearth.json upwards', async () => {
    writeJson('hearth.json', {project: 'far'})
    writeJson('My App/hearth.json', {project: 'near'})
    expect(await resolve({whoAmI: me(['only'])})).toMatchObject({name: 'near', asked: false})
  })

  it("the token's only project", async () => {
    writeRemote()
    expect(await resolve({whoAmI: me(['only'], true)})).toEqual({name: 'only', create: false, asked: true})
    expect(await resolve({connection: {onlyProject: 'saved'}})).toEqual({name: 'saved', create: false, asked: false})
  })

  it('the Git remote, where builds create projects', async () => {
    writeRemote()
    expect(await resolve({connection: embedded})).toEqual({name: 'acme/web', create: true, asked: false})
    expect(await resolve({whoAmI: me(null, true)})).toEqual({name: 'acme/web', create: true, asked: true})
  })

  it("the directory's name, likewise", async () => {
    expect(await resolve({connection: embedded})).toEqual({name: 'src', create: true, asked: false})
  })

  it.each([me(null), me(['a', 'b']), me([])])('nothing, on a shared fleet: %j', async (whoAmI) => {
    writeRemote()
    await expect(resolve({whoAmI})).rejects.toThrow('no project: add --project or hearth.json')
  })
})

describe('bad names', () => {
  it('says where it came from and what was meant', async () => {
    await expect(resolve({flag: 'My App'})).rejects.toThrow(
      "--project: 'My App' can't be a project's name: did you mean my-app?",
    )
    await expect(resolve({environment: {HEARTH_PROJECT: '///'}})).rejects.toThrow(
      "HEARTH_PROJECT: '///' can't be a project's name (",
    )
    writeJson('hearth.json', {project: 7})
    await expect(resolve({})).rejects.toThrow('hearth.json: project is a name, not 7')
    writeFileSync(join(root, 'hearth.json'), '{')
    await expect(resolve({})).rejects.toThrow('hearth.json is not JSON')
  })

  it.each([
    ['My App', 'my-app'],
    ['Acme/Web', 'acme/web'],
    ['.hidden', 'hidden'],
    ['a  b!', 'a-b'],
    ['äöü', null],
  ])('cleans %s to %s', (text, expected) => {
    expect(cleanName(text)).toBe(expected)
  })
})
