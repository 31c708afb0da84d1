import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {UsageError} from './failures.ts'
import {profilePath, readProfile, resolveConnection, writeProfile} from './profile.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-profile-'))
})
afterEach(() => rmSync(home, {recursive: true}))

const saved = {url: 'https://hearth.example:7433', token: 'ht_saved', caPem: 'CA', createsProjects: true}
const save = () => writeProfile(saved, {environment: {HOME: home}, alsoFor: null})

describe('the saved profile', () => {
  it('is for its owner only, and reads back', () => {
    const [path] = save()
    expect(path).toBe(join(home, '.config/hearth/profile.json'))
    expect(statSync(path as string).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(path as string)).mode & 0o777).toBe(0o700)
    expect(readProfile({HOME: home})).toEqual(saved)
    expect(readdirSync(dirname(path as string))).toEqual(['profile.json'])
  })

  it('stands where XDG_CONFIG_HOME says', () => {
    expect(profilePath({HOME: home, XDG_CONFIG_HOME: '/etc/xdg'})).toBe('/etc/xdg/hearth/profile.json')
  })

  it('does not fail for a user that is not known here', () => {
    expect(writeProfile(saved, {environment: {HOME: home}, alsoFor: 'nobody-by-this-name'})).toHaveLength(1)
  })

  it('is null where there is none, and names its file when damaged', () => {
    expect(readProfile({HOME: home})).toBe(null)
    const path = profilePath({HOME: home})
    mkdirSync(dirname(path), {recursive: true})
    for (const text of ['{', '{"url": 7}', 'null']) {
      writeFileSync(path, text)
      expect(() => readProfile({HOME: home})).toThrow(UsageError)
      expect(() => readProfile({HOME: home})).toThrow(path)
    }
    expect(readFileSync(path, 'utf8')).toBe('null')
  })
})

describe('resolveConnection', () => {
  const resolve = (environment: NodeJS.ProcessEnv = {}) => resolveConnection({HOME: home, ...environment})

  it('is the embedded default where nothing is known', () => {
    expect(resolve()).toEqual({url: 'http://127.0.0.1:7433', token: null})
    expect(resolve({HEARTH_TOKEN: 'ht_t'})).toEqual({url: 'http://127.0.0.1:7433', token: 'ht_t'})
  })

  it('is the profile, with what stands in the environment put over it', () => {
    save()
    expect(resolve()).toEqual(saved)
    expect(resolve({HEARTH_URL: 'https://other/', HEARTH_TOKEN: 'ht_t'})).toEqual({url: 'https://other', token: 'ht_t'})
    expect(resolve({HEARTH_TOKEN: 'ht_t'})).toEqual({url: saved.url, token: 'ht_t'})
    expect(resolve({HEARTH_URL: saved.url})).toEqual(saved)
  })

  it("never shows one fleet's token to another", () => {
    save()
    expect(() => resolve({HEARTH_URL: 'https://other'})).toThrow(
      'HEARTH_URL is https://other, and the saved token is for',
    )
  })
})
