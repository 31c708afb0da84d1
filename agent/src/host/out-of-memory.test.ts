import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {messageOn, outOfMemoryMark} from './out-of-memory.ts'

const line = (path: string) =>
  `6,1234,676640337,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/hearth/b-1/steps,task_memcg=${path},task=dd,pid=22509,uid=0\n`

describe('messageOn', () => {
  it.each([
    ['/hearth/b-1/steps', 1234],
    ['/hearth/b-1/steps/buildkit/8oc52', 1234],
    ['/hearth/b-1/daemon', null],
    ['/hearth/b-11/steps', null],
    ['/hearth/b-1/steps2', null],
  ])('knows whose process was ended: %s', (path, number) => {
    expect(messageOn(line(path), '/hearth/b-1/steps')).toBe(number)
  })

  it.each([
    '',
    '5,1235,694928811,-;XFS (loop3): Unmounting Filesystem 75e9d1e3',
    '6,1236,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task_memcg=/hearth/b-1/steps/a,task=dd,pid=1,uid=0',
    '12,1237,1,-;a program wrote oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/hearth/b-1/steps/a,task=x',
  ])('takes nothing else for it: %s', (text) => {
    expect(messageOn(text, '/hearth/b-1/steps')).toBeNull()
  })
})

describe('outOfMemoryMark', () => {
  let hierarchy: string
  beforeEach(() => {
    hierarchy = mkdtempSync(join(tmpdir(), 'hearth-cgroup-'))
  })
  afterEach(() => rmSync(hierarchy, {recursive: true}))

  it('is the count of cgroup v2 where there is one', async () => {
    const group = join(hierarchy, 'hearth/b-1/steps')
    await mkdir(group, {recursive: true})
    writeFileSync(join(group, 'memory.events'), 'low 0\nhigh 0\nmax 31\noom 4\noom_kill 3\noom_group_kill 0\n')
    expect(outOfMemoryMark(['/nowhere', hierarchy], '/hearth/b-1/steps')).toBe(3)
  })

  it('is 0 for a group of which the kernel has said nothing', () => {
    expect(outOfMemoryMark([hierarchy], '/hearth/never-was/steps')).toBe(0)
  })
})
