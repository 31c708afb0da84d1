import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {findDaemons} from './daemons.ts'
import {type Ceph, findCeph, startCeph} from './lab.ts'

describe.skipIf(unprivileged())('a Ceph cluster of one machine', () => {
  let directory: TestDirectory
  let ceph: Ceph
  beforeAll(async () => {
    directory = await makeTestDirectory()
    ceph = await startCeph(directory.path, {environment: directory.environment})
  })
  afterAll(async () => await directory.remove())

  test('has three daemons and a pool that takes images', async () => {
    expect((await findDaemons(directory.path)).map(({daemon}) => daemon).sort()).toEqual(['mgr', 'mon', 'osd'])
    await ceph.rbd('create', '--size', '1G', `${ceph.pool}/image`)
    const second = await findCeph(directory.path)
    expect(JSON.parse(await second.rbd('ls', '--format', 'json', second.pool))).toEqual(['image'])
    expect(await second.ports()).toHaveLength(4)
  })

  test('is paused, resumed, filled and emptied', async () => {
    await ceph.signal('osd', 'SIGSTOP')
    const listing = ceph.rbd('ls', ceph.pool)
    await ceph.ceph('-s') // the monitor answers all the same
    await ceph.signal('osd', 'SIGCONT')
    expect((await listing).trim()).toBe('image')
    await ceph.fill()
    await ceph.unfill()
    await ceph.rbd('create', '--size', '1G', `${ceph.pool}/another`)
  })

  test('what a killed process started ends with the next sweep', async () => {
    const script = `
      const {makeTestDirectory} = await import('${join(import.meta.dirname, '../support/test-directory.ts')}')
      const {startCeph} = await import('${join(import.meta.dirname, 'lab.ts')}')
      const {path, environment} = await makeTestDirectory()
      await startCeph(path, {environment})
      console.log(path)
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {stdio: ['ignore', 'pipe', 'inherit']})
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    const path = said.toString().trim()
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await findDaemons(path)).toHaveLength(3)
    await (await makeTestDirectory()).remove()
    expect(await findDaemons(path)).toEqual([])
  })
})
