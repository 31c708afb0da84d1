import {mkdtemp, readdir, rm, stat, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {silentLog} from './api/real-rig.ts'
import {createFleet} from './core.ts'
import {defaultPolicy} from './policy.ts'
import {startFleet} from './real-fleet.ts'
import {startFailure} from './start-failure.ts'

let stateDir: string
const config = (part: {stateDir?: string; listen?: {host: string; port: number}} = {}) => ({
  listen: {host: '127.0.0.1', port: 0},
  stateDir,
  advertise: [],
  logLevel: 'info' as const,
  policy: defaultPolicy,
  ceph: null,
  ...part,
})
const start = (part: Parameters<typeof config>[0] = {}) =>
  startFleet({
    config: config(part),
    version: '0.1.0',
    embedded: false,
    localHost: () => null,
    makeFleet: createFleet,
    clock: realClock,
    random: realRandom,
    log: silentLog,
  })
/** What people are told when it can't start. */
const failure = async (part: Parameters<typeof config>[0] = {}): Promise<string | null> => {
  const error = await start(part).then(
    () => null,
    (reason: unknown) => reason,
  )
  return startFailure(error, config(part))
}

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hearth-start-'))
})
afterEach(() => rm(stateDir, {recursive: true}))

describe('startFleet', () => {
  it('makes an admin token once, and keeps its authority', async () => {
    const first = await start()
    expect(first.adminToken).toMatchObject({created: true, path: join(stateDir, 'admin-token')})
    await first.close()
    await first.ended
    const second = await start()
    expect(second.adminToken).toEqual({...first.adminToken, created: false})
    expect(second.caPem).toBe(first.caPem)
    await second.close()
    for (const file of await readdir(stateDir)) expect((await stat(join(stateDir, file))).mode & 0o077, file).toBe(0)
  })

  it('makes another admin token if the saved one was revoked', async () => {
    const first = await start()
    const [token] = await first.tokens.list()
    await first.tokens.revoke(String(token?.id), 'test')
    await first.close()
    const second = await start()
    expect(second.adminToken.created).toBe(true)
    expect(second.adminToken.token).not.toBe(first.adminToken.token)
    await second.close()
  })
})

describe('startFailure', () => {
  it('a state directory in use', async () => {
    const running = await start()
    expect(await failure()).toBe(
      `the state directory ${stateDir} is in use by a running Hearth: see hearth status, end it with hearth down, or use another with --state-dir`,
    )
    await running.close()
    await (await start()).close()
  })

  it('a port in use, after which the state directory is free', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const {port} = other.address() as {port: number}
    expect(await failure({listen: {host: '127.0.0.1', port}})).toContain(
      `127.0.0.1:${port} is in use by another program (ss -ltnp 'sport = :${port}' says which)`,
    )
    await new Promise((resolve) => other.close(resolve))
    await (await start()).close()
  })

  it('an address that is not ours, and one that is none', async () => {
    expect(await failure({listen: {host: '203.0.113.1', port: 0}})).toContain('this machine has no address 203.0.113.1')
    expect(await failure({listen: {host: 'nowhere.invalid', port: 0}})).toContain("'nowhere.invalid'")
  })

  it('state of a newer version', async () => {
    const database = new DatabaseSync(join(stateDir, 'fleet.sqlite'))
    database.exec('PRAGMA user_version = 999')
    database.close()
    expect(await failure()).toContain('run the newer version, or use another state directory')
  })

  it('a directory that is none, can not be made, or holds a damaged store', async () => {
    await writeFile(join(stateDir, 'file'), 'x')
    expect(await failure({stateDir: join(stateDir, 'file')})).toContain('is not a directory')
    expect(await failure({stateDir: join(stateDir, 'file', 'inside')})).toContain('is not a directory')
    await writeFile(join(stateDir, 'fleet.sqlite'), 'no database '.repeat(1000))
    expect(await failure()).toContain('is damaged')
  })

  it('half an authority', async () => {
    await writeFile(join(stateDir, 'ca.pem'), '-----BEGIN PRIVATE KEY-----\n')
    expect(await failure()).toContain(`${join(stateDir, 'ca.pem')} is not whole`)
  })

  it.each([
    [Object.assign(new Error('x'), {code: 'ENOSPC'}), 'is full'],
    [Object.assign(new Error('x'), {code: 'ERR_SQLITE_ERROR', errcode: 13}), 'is full'],
    [Object.assign(new Error('x'), {code: 'EROFS'}), "can't write to the state directory"],
    [Object.assign(new Error('x'), {code: 'ERR_SQLITE_ERROR', errcode: 1032}), "can't write to the state directory"],
    [Object.assign(new Error('x'), {code: 'ENOENT', syscall: 'mkdir'}), "can't write to the state directory"],
    [Object.assign(new Error('x'), {code: 'EACCES', syscall: 'listen'}), 'only root may listen'],
  ])('%j', (error, message) => {
    expect(startFailure(error, config())).toContain(message)
  })

  it('says nothing of what nobody foresaw', () => {
    expect(startFailure(new Error('odd'), config())).toBeNull()
    expect(startFailure('odd', config())).toBeNull()
  })
})
