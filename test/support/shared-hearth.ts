import {afterAll, beforeAll, expect} from 'vitest'
import {bringUp, type Hearth, hearthIn} from './hearth.ts'
import {makeTestDirectory, type TestDirectory} from './test-directory.ts'
import {hearthTraces} from './traces.ts'

export type SharedHearth = {readonly directory: TestDirectory; readonly hearth: Hearth}

/**
 * One Hearth for all tests of a suite, which gives each its own project. Call in `describe`; the result is there in its tests. At the
 * end it is put away, and must leave nothing.
 */
export const sharedHearth = (...upFlags: readonly string[]): (() => SharedHearth) => {
  let shared: SharedHearth | undefined
  beforeAll(async () => {
    const directory = await makeTestDirectory()
    shared = {directory, hearth: hearthIn(directory)}
    await bringUp(shared.hearth, ...upFlags)
  })
  afterAll(async () => {
    if (!shared) return
    const traces = await hearthTraces(shared.hearth.stateDir)
    const {code, stderr} = await shared.hearth.run('down', '--force')
    const left = await traces()
    await shared.directory.remove()
    expect({code, left}, stderr).toEqual({code: 0, left: []})
  })
  return () => {
    if (!shared) throw new Error('hearth up did not succeed')
    return shared
  }
}
