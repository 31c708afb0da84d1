import {afterAll, beforeAll} from 'vitest'
import {bringUp, type Hearth, hearthIn} from './hearth.ts'
import {makeTestDirectory, type TestDirectory} from './test-directory.ts'

export type SharedHearth = {readonly directory: TestDirectory; readonly hearth: Hearth}

/** One Hearth for all tests of a suite, which gives each its own project. Call in `describe`; the result is there in its tests. */
export const sharedHearth = (...upFlags: readonly string[]): (() => SharedHearth) => {
  let shared: SharedHearth | undefined
  beforeAll(async () => {
    const directory = await makeTestDirectory()
    shared = {directory, hearth: hearthIn(directory)}
    await bringUp(shared.hearth, ...upFlags)
  })
  afterAll(async () => {
    await shared?.hearth.run('down', '--force')
    await shared?.directory.remove()
  })
  return () => {
    if (!shared) throw new Error('hearth up did not succeed')
    return shared
  }
}
