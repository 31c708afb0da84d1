import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Host, Status} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {openSqliteStore} from '../store/sqlite.ts'
import type {Context} from './context.ts'
import {type DownFlags, down} from './down.ts'
import {FleetUnreachableError, UsageError} from './failures.ts'
import {fakePrinter} from './fake-printer.ts'
import type {FleetHttp} from './http.ts'

const url = 'http://127.0.0.1:7433'
const gone = () => new FleetUnreachableError('no Hearth', {refused: true})
const busy = {drain: {}, slots: {busy: 1}, builders: [{project: 'web', build: 'b-1'}]} as unknown as Host
const idle = {drain: {}, slots: {busy: 0}, builders: []} as unknown as Host

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'hearth-down-'))
  openSqliteStore(join(stateDir, 'fleet.sqlite')).close()
})
afterEach(() => rmSync(stateDir, {recursive: true, force: true}))

/** A Hearth that answers with these, one after the other, and then is gone. */
const run = async (flags: Partial<DownFlags>, hosts: readonly Host[], {embedded = true, running = true} = {}) => {
  const asked: string[] = []
  const left = [...hosts]
  const status = {embedded, url, caches: {volumes: 1, usedBytes: 2.1e9}} as Status
  const fleet = {
    url,
    json: async (method: string, path: string, body?: unknown) => {
      asked.push([method, path, ...(body === undefined ? [] : [JSON.stringify(body)])].join(' '))
      if (!running) throw gone()
      if (path === '/v1/status') return status
      if (path === '/v1/shutdown') return null
      const host = left.shift()
      if (!host) throw gone()
      return [host]
    },
  } as unknown as FleetHttp
  const print = fakePrinter()
  const context = {
    workingDirectory: '/',
    stdin: {isTTY: false},
    print,
    connect: () => ({connection: {url, token: 'x', stateDir}, fleet}),
  } as unknown as Context
  const all = {deadline: '5m', force: false, purge: false, yes: false, 'state-dir': undefined, ...flags}
  return {code: await down(all, context), asked, said: print.err}
}

describe('hearth down', () => {
  it('shows what it waits for until nothing answers', async () => {
    const {code, asked, said} = await run({}, [busy, busy, idle])
    expect(code).toBe(0)
    expect(asked[1]).toBe('POST /v1/shutdown {"deadlineMs":300000}')
    expect(said).toEqual(['waiting for web (b-1)', 'detaching caches', 'Hearth is down; its caches are kept'])
  })

  it('waits as long as it is told, or not at all', async () => {
    expect((await run({deadline: '1h'}, [])).asked).toContain('POST /v1/shutdown {"deadlineMs":3600000}')
    expect((await run({force: true}, [])).asked).toContain('POST /v1/shutdown {"deadlineMs":0}')
    await expect(run({deadline: '5'}, [])).rejects.toThrow("--deadline is '5', but must be a duration such as 5m")
  })

  it('is done where none runs', async () => {
    expect(await run({}, [], {running: false})).toMatchObject({code: 0, said: [`no Hearth runs at ${url}`]})
  })

  it('does not end a fleet that hearth up did not start', async () => {
    await expect(run({}, [], {embedded: false})).rejects.toThrow(UsageError)
  })

  it('purges what it has ended, once that is meant', async () => {
    writeFileSync(join(stateDir, 'url'), url)
    await expect(run({purge: true}, [])).rejects.toThrow(
      `this would delete all caches and records in ${stateDir} (2.1 GB): add --yes if that is meant`,
    )
    expect(existsSync(stateDir)).toBe(true)
    expect((await run({purge: true, yes: true}, [])).said).toContain(`removed ${stateDir} and all caches in it`)
    expect(existsSync(stateDir)).toBe(false)
  })

  it("purges neither another Hearth's state nor what is none, and ends nothing then", async () => {
    await expect(run({purge: true, yes: true}, [])).rejects.toThrow('does not keep its state in')
    writeFileSync(join(stateDir, 'url'), 'http://127.0.0.1:7434')
    await expect(run({purge: true, yes: true}, [])).rejects.toThrow('does not keep its state in')
    await expect(run({purge: true, yes: true, 'state-dir': tmpdir()}, [])).rejects.toThrow('is not the state directory')
    expect(existsSync(stateDir)).toBe(true)
  })
})
