import type {BuilderRuntime} from '@hearth/agent/builder/runtime'
import {afterEach, beforeEach, describe} from 'vitest'
import {describeBuilds} from './runtime-builds.ts'
import {describeClients} from './runtime-clients.ts'
import {describeFreezes} from './runtime-freezes.ts'
import {describeEnds, describeStarts} from './runtime-life.ts'
import type {RuntimeRig} from './runtime-rig.ts'

/** Describes what everything that runs builders keeps to. The suite never asks which one it is; `makeRig` is called for each test. */
export const describeRuntime = (name: string, makeRig: () => Promise<RuntimeRig>): void => {
  describe(`${name} builders`, () => {
    let rig: RuntimeRig
    let runtime: BuilderRuntime
    beforeEach(async () => {
      rig = await makeRig()
      runtime = await rig.open()
    })
    afterEach(async () => await rig.close())
    const world = () => ({rig, runtime})
    describeStarts(world)
    describeClients(world)
    describeBuilds(world)
    describeFreezes(world)
    describeEnds(world)
  })
}
