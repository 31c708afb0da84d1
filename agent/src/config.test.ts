import {readFileSync} from 'node:fs'
import {ConfigError} from '@hearth/proto/config-file'
import {describe, expect, it} from 'vitest'
import {agentConfig} from './config.ts'

const config = (file: unknown, environment: Record<string, string> = {}, flags = {}) =>
  agentConfig({file, fileName: 'agent.yaml', environment, flags})

describe('agentConfig', () => {
  it('has a default for all but the fleet', () => {
    expect(config(null)).toEqual({
      fleetUrl: null,
      joinTokenFile: null,
      stateDir: '/var/lib/hearth',
      name: null,
      slots: 2,
      advertise: null,
      builderSubnet: '10.213.0.0/16',
      registries: {},
      volumes: {poolSizeBytes: null, keepFreeBytes: null},
      ceph: null,
      unclaimedAfterMs: 1_800_000,
      logLevel: 'info',
    })
  })

  it('reads every key', () => {
    const file = {
      fleet: 'https://fleet.example:7433',
      joinTokenFile: '/run/token',
      stateDir: '/data',
      name: 'h1',
      slots: 8,
      advertise: '10.0.0.2',
      builderSubnet: '10.99.0.0/24',
      registries: {'r.example:5000': {http: true}, 'docker.io': {mirrors: ['m.example'], ca: ['/ca.pem']}},
      volumes: {poolSize: '500GB', keepFree: '2.5GB'},
      ceph: {attacher: 'fuse'},
      unclaimedAfter: '1h',
      logLevel: 'debug',
    }
    const {fleet, unclaimedAfter, ...same} = file
    const volumes = {poolSizeBytes: 500e9, keepFreeBytes: 2.5e9}
    expect(config(file)).toEqual({...same, fleetUrl: fleet, volumes, unclaimedAfterMs: 3_600_000})
    expect(unclaimedAfter).toBe('1h')
  })

  it('lets the environment win over the file, and flags over both', () => {
    const file = {
      stateDir: '/file',
      logLevel: 'warn',
      slots: 3,
      fleet: 'https://file:1',
      name: 'f',
      advertise: '1.1.1.1',
    }
    const environment = {HEARTH_STATE_DIR: '/environment', HEARTH_LOG_LEVEL: 'error'}
    expect(config(file, environment)).toMatchObject({stateDir: '/environment', logLevel: 'error', slots: 3})
    const flags = {fleet: 'https://flag:1', 'state-dir': '/flag', slots: '4', advertise: '2.2.2.2', name: 'g'}
    expect(config(file, environment, flags)).toMatchObject({
      fleetUrl: 'https://flag:1',
      stateDir: '/flag',
      slots: 4,
      advertise: '2.2.2.2',
      name: 'g',
    })
  })

  it.each<[string, unknown, string]>([
    ['an unknown key', {slot: 2}, "agent.yaml: there is no key 'slot'; did you mean 'slots'?"],
    ['no slots', {slots: 0}, 'slots is 0, but must be a whole number from 1 to 256'],
    ['half a slot', {slots: 1.5}, 'slots is 1.5, but must be a whole number'],
    ['an address that is no text', {advertise: 1}, 'advertise is 1, but must be an address of this machine'],
    ['a subnet', {builderSubnet: '10.0.0.0'}, 'agent.yaml: builderSubnet: the builders'],
    ['a registry by URL', {registries: {'https://r.example': {}}}, "'https://r.example' is not a registry's name"],
    [
      'an unknown key of a registry',
      {registries: {r: {htp: true}}},
      "agent.yaml: registries: r: there is no key 'htp'; did you mean 'http'?",
    ],
    ['a registry that is text', {registries: {r: 'http'}}, 'agent.yaml: registries: r: it must hold keys'],
    ['a size', {volumes: {keepFree: '5 GB'}}, 'volumes.keepFree is "5 GB", but must be a size such as 50GB'],
    [
      'an unknown key of the volumes',
      {volumes: {poolsize: '5GB'}},
      "there is no key 'volumes.poolsize'; did you mean 'volumes.poolSize'?",
    ],
    ['a duration', {unclaimedAfter: 'soon'}, "unclaimedAfter is 'soon', but must be a duration such as 30m"],
    ['a level', {logLevel: 'loud'}, 'logLevel is "loud", but must be one of'],
    [
      'a fleet without a scheme',
      {fleet: 'fleet.example'},
      "agent.yaml: fleet is 'fleet.example', but must be the fleet's URL",
    ],
    ['an empty name', {name: ''}, 'name is "", but must be a name'],
    ['a token file that is a number', {joinTokenFile: 3}, 'joinTokenFile is 3, but must be the path'],
    ['a list', [], 'it must hold keys with values'],
  ])('refuses %s', (_name, file, message) => {
    expect(() => config(file)).toThrow(ConfigError)
    expect(() => config(file)).toThrow(message)
  })

  it('blames the flag or the variable that is wrong', () => {
    expect(() => config(null, {}, {slots: '1x'})).toThrow("--slots is '1x', but must be a whole number from 1 to 256")
    expect(() => config(null, {}, {slots: '0'})).toThrow("--slots is '0'")
    expect(() => config(null, {}, {fleet: 'x'})).toThrow("--fleet is 'x'")
    expect(() => config(null, {HEARTH_LOG_LEVEL: 'loud'})).toThrow("HEARTH_LOG_LEVEL is 'loud'")
  })
})

describe('docs/configuration.md', () => {
  it('has every key of the file, with its default', () => {
    const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
    const section = /## agent\.yaml\n(.*?)\n## /s.exec(text)?.[1] ?? ''
    const rows = [...section.matchAll(/^\| `(\w+)` \| (?:`([^`]*)` |[^|]*)\|/gm)]
    const {volumes} = config(null)
    const keys = [...Object.keys(config(null)), ...Object.keys(volumes)].map((key) =>
      key.replace(/(Ms|Bytes)$/, '').replace('fleetUrl', 'fleet'),
    )
    expect(rows.map(([, key]) => String(key)).toSorted()).toEqual(keys.toSorted())
    const shown = rows.flatMap(([, key, value]) =>
      value === undefined ? [] : [[key, key === 'slots' ? Number(value) : value]],
    )
    expect(config(Object.fromEntries(shown))).toEqual(config(null))
  })
})
