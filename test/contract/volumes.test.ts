import {describe} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {makeFakeVolumesRig} from './fake-volumes-rig.ts'
import {makeLocalVolumesRig} from './local-volumes-rig.ts'
import {describeVolumes} from './volumes.ts'

describeVolumes('fake', makeFakeVolumesRig)
describe.skipIf(unprivileged())('real', () => describeVolumes('local', makeLocalVolumesRig))
