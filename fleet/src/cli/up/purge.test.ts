import {existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {openSqliteStore} from '../../store/sqlite.ts'
import {InfrastructureError, UsageError} from '../failures.ts'
import {mountsBelow, purgeState, requireStateDirectory, usedBytes} from './purge.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-purge-'))
})
afterEach(() => rmSync(directory, {recursive: true, force: true}))

describe('a state directory', () => {
  it('is one that a fleet has made, and no other is purged', () => {
    expect(() => requireStateDirectory(directory)).toThrow(UsageError)
    openSqliteStore(join(directory, 'fleet.sqlite')).close()
    requireStateDirectory(directory)
  })

  it('is removed whole, but not under a Hearth that runs', async () => {
    const store = openSqliteStore(join(directory, 'fleet.sqlite'))
    mkdirSync(join(directory, 'volumes'))
    writeFileSync(join(directory, 'volumes', 'a.img'), 'x'.repeat(100_000))
    await expect(purgeState(directory, 0)).rejects.toThrow(InfrastructureError)
    expect(existsSync(join(directory, 'volumes', 'a.img'))).toBe(true)
    expect(await usedBytes(directory)).toBeGreaterThan(100_000)
    setTimeout(() => store.close(), 20) // it is ending
    await purgeState(directory)
    expect(existsSync(directory)).toBe(false)
  })

  it('has no mounts but those below it', () => {
    expect(mountsBelow(directory)).toEqual([])
    expect(mountsBelow('')).toContain('/proc')
  })
})
