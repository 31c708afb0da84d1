import {afterAll, beforeAll, describe} from 'vitest'
import {type FleetRig, makeFleetRig} from '../ceph/fleet-rig.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeCephVolumesRig} from './ceph-volumes-rig.ts'
import {makeFakeVolumesRig} from './fake-volumes-rig.ts'
import {makeLocalVolumesRig} from './local-volumes-rig.ts'
import {describeVolumes} from './volumes.ts'

describeVolumes('fake', makeFakeVolumesRig)
describe.skipIf(unprivileged())('real', () => {
  describeVolumes('local', makeLocalVolumesRig)

  describe('in Ceph', () => {
    let fleet: FleetRig
    beforeAll(async () => {
      fleet = await makeFleetRig()
    })
    afterAll(async () => await fleet.close())
    describeVolumes('ceph-rbd', () => makeCephVolumesRig(fleet))
  })
})
