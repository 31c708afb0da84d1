import {readFileSync} from 'node:fs'
import {ConfigError} from '@hearth/proto/config-file'
import {describe, expect, it} from 'vitest'
import {fleetConfig, parseListen} from './config.ts'
import {defaultPolicy} from './policy.ts'

const config = (file: unknown, environment: Record<string, string> = {}, flags = {}) =>
  fleetConfig({file, fileName: 'fleet.yaml', environment, flags})

describe('fleetConfig', () => {
  it('has a default for all', () => {
    expect(config(null)).toEqual({
      listen: {host: '127.0.0.1', port: 7433},
      stateDir: '/var/lib/hearth',
      advertise: [],
      logLevel: 'info',
      policy: defaultPolicy,
      ceph: null,
    })
  })

  it('lets flags win over variables, and those over the file', () => {
    const file = {listen: '0.0.0.0:1', stateDir: '/a', advertise: ['a'], logLevel: 'warn'}
    const environment = {
      HEARTH_LISTEN: '0.0.0.0:2',
      HEARTH_STATE_DIR: '/b',
      HEARTH_ADVERTISE: 'b,c',
      HEARTH_LOG_LEVEL: 'debug',
    }
    expect(config(file)).toMatchObject({listen: {port: 1}, stateDir: '/a', advertise: ['a'], logLevel: 'warn'})
    const changed = config(file, environment)
    expect(changed).toMatchObject({listen: {port: 2}, stateDir: '/b', advertise: ['b', 'c'], logLevel: 'debug'})
    const flagged = config(file, environment, {listen: '[::1]:3', stateDir: '/c'})
    expect(flagged).toMatchObject({listen: {host: '::1', port: 3}, stateDir: '/c'})
  })

  it('reads the policy with its units', () => {
    const policy = {warmIdle: '0s', lostAfter: '1m30s', volumeSize: '1.5GB', keepGenerations: 3, maxUsedSpaceShare: 0.5}
    expect(config({policy}).policy).toEqual({
      ...defaultPolicy,
      warmIdleMs: 0,
      lostAfterMs: 90_000,
      volumeSizeBytes: 1_500_000_000,
      keepGenerations: 3,
      maxUsedSpaceShare: 0.5,
    })
  })

  it('puts new caches into Ceph where there is one, unless told otherwise', () => {
    const key = (user: string) => ({user, keyring: `/etc/hearth/${user}.keyring`})
    const ceph = {monitors: ['10.0.0.1'], pool: 'caches', keys: {store: key('s'), fence: key('f'), unfence: key('u')}}
    const given = config({ceph})
    expect(given.policy.volumeDriver).toBe('ceph-rbd')
    expect(given.ceph).toMatchObject({pool: 'caches', owner: 'hearth', keys: {store: {user: 's'}}})
    expect(config({ceph, policy: {volumeDriver: 'local'}}).policy.volumeDriver).toBe('local')
  })

  it.each<[string, unknown, string]>([
    ['Ceph without its section', {policy: {volumeDriver: 'ceph-rbd'}}, 'there is no section ceph: see docs/ceph.md'],
    ['an unknown key', {lisen: 'x'}, "fleet.yaml: there is no key 'lisen'; did you mean 'listen'?"],
    ['an unknown key inside', {policy: {warmidle: '1m'}}, "'policy.warmidle'; did you mean 'policy.warmIdle'?"],
    ['a bare number', {policy: {warmIdle: '10'}}, 'policy.warmIdle is "10", but must be a duration such as 10m'],
    ['a number for a duration', {policy: {warmIdle: 10}}, 'policy.warmIdle is 10, but must be a duration'],
    ['a level', {logLevel: 'loud'}, 'logLevel is "loud", but must be one of \'debug\''],
    ['an address', {listen: '7433'}, "fleet.yaml: listen is '7433', but must be address:port"],
    ['hosts that are lost before they are offline', {policy: {lostAfter: '5s'}}, 'offlineAfter ≤ lostAfter'],
    ['text', 'x', 'it must hold keys with values'],
    ['a share of nothing', {policy: {maxUsedSpaceShare: 0}}, 'maxUsedSpaceShare is 0, but must be a number from 0.1'],
    ['a size without a unit', {policy: {volumeSize: '50'}}, 'volumeSize is "50", but must be a size such as 50GB'],
    ['no attempt', {policy: {maxAttempts: 0}}, 'maxAttempts is 0, but must be a whole number from 1 to 10'],
    ['an empty name', {advertise: ['']}, 'advertise.0 is "", but must be a name or address'],
  ])('refuses %s', (_name, file, message) => {
    expect(() => config(file)).toThrow(ConfigError)
    expect(() => config(file)).toThrow(message)
  })

  it('blames the flag or the variable that is wrong', () => {
    expect(() => config(null, {HEARTH_LISTEN: 'x'})).toThrow("HEARTH_LISTEN is 'x'")
    expect(() => config(null, {}, {listen: 'x'})).toThrow("--listen is 'x'")
    expect(() => config(null, {HEARTH_LOG_LEVEL: 'loud'})).toThrow("HEARTH_LOG_LEVEL is 'loud'")
  })

  it('has a key for each policy value of a known unit', () => {
    for (const [name, value] of Object.entries(defaultPolicy)) {
      if (['retentionSweepMs', 'logMaxCharacters'].includes(name)) continue // not for operators
      const key = name.replace(/(Ms|Bytes)$/, '')
      const text = name.endsWith('Ms') ? `${value}ms` : name.endsWith('Bytes') ? `${Number(value) / 1e9}GB` : value
      expect(config({policy: {[key]: text}}).policy).toEqual(defaultPolicy)
    }
  })
})

describe('parseListen', () => {
  it.each(['', ':7433', '127.0.0.1', '127.0.0.1:', '127.0.0.1:70000', '::1:7433', 'a b:1', 'http://x:1'])(
    'refuses %j',
    (text) => {
      expect(() => parseListen(text, '--listen')).toThrow(ConfigError)
    },
  )
})

describe('docs/configuration.md', () => {
  const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  const section = /## fleet\.yaml\n(.*?)\n## /s.exec(text)?.[1] ?? ''
  const rows = [...section.matchAll(/^\| `(\w+)` \| (?:`([^`]*)` |[^|]*)\|/gm)].map(([, key, value]) => [
    key as string,
    value,
  ])
  const [general, policy] = [rows.slice(0, 6), rows.slice(6)] as const

  it('has every key of the file, with its default', () => {
    expect(general.map(([key]) => key)).toEqual(['listen', 'stateDir', 'advertise', 'logLevel', 'policy', 'ceph'])
    const given = Object.fromEntries(general.filter(([, value]) => value !== undefined))
    expect(config(given)).toEqual(config(null))
    const units = /(Ms|Bytes)$/
    const settable = Object.keys(defaultPolicy).filter(
      (name) => !['retentionSweepMs', 'logMaxCharacters'].includes(name),
    )
    expect(policy.map(([key]) => String(key)).toSorted()).toEqual(
      settable.map((name) => name.replace(units, '')).toSorted(),
    )
  })

  it('tells the default of each policy', () => {
    for (const [key, shown] of policy) {
      const value = /^(\d+(\.\d+)?|true|false)$/.test(String(shown)) ? (JSON.parse(String(shown)) as unknown) : shown
      expect(config({policy: {[String(key)]: value}}).policy, key).toEqual(defaultPolicy)
    }
  })
})
