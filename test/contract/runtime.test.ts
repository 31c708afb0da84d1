import {describe} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {makeFakeRuntimeRig} from './fake-runtime-rig.ts'
import {makeRealRuntimeRig} from './real-runtime-rig.ts'
import {describeRuntime} from './runtime.ts'

describeRuntime('fake', makeFakeRuntimeRig)
describe.skipIf(unprivileged())('real', () => describeRuntime('real', makeRealRuntimeRig))
