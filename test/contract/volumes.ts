import {afterEach, beforeEach, describe} from 'vitest'
import {describeAttaching} from './volumes-attaching.ts'
import {describeBytes} from './volumes-bytes.ts'
import {describeCheckpoints} from './volumes-checkpoints.ts'
import {describeContentChecks, describeEpochs} from './volumes-content.ts'
import {describeDeleting, describeGenerations, describeInterruptions} from './volumes-generations.ts'
import type {Volumes, VolumesRig} from './volumes-rig.ts'

/** Describes what every volume driver keeps to. The suite never asks which one it is; `makeRig` is called for each test. */
export const describeVolumes = (name: string, makeRig: () => Promise<VolumesRig>): void => {
  describe(`${name} volumes`, () => {
    let rig: VolumesRig
    let volumes: Volumes
    beforeEach(async () => {
      rig = await makeRig()
      volumes = rig.open()
    })
    afterEach(async () => await rig.close())
    const world = () => ({rig, volumes})
    describeAttaching(world)
    describeBytes(world)
    describeContentChecks(world)
    describeEpochs(world)
    describeGenerations(world)
    describeCheckpoints(world)
    describeInterruptions(world)
    describeDeleting(world)
  })
}
