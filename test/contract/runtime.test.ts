import {describe} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {makeRealRuntimeRig} from './real-runtime-rig.ts'
import {describeRuntime} from './runtime.ts'

describe.skipIf(unprivileged())('real', () => describeRuntime('real', makeRealRuntimeRig))
