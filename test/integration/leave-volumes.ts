import {dirname} from 'node:path'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {makeLocalVolumesRig} from '../contract/local-volumes-rig.ts'
import {desired, first, signal} from '../contract/volumes-rig.ts'

// A run that is killed: it has a pool with an attached copy, mounted in a namespace, and waits.

const rig = await makeLocalVolumesRig()
const volumes = rig.open()
const copy = rig.newCopyId()
await volumes.create(desired(copy), signal)
const {device} = await volumes.attach(first(copy), signal)
const {holder} = await rig.mount(device)
const image = listLoopDevices().find((each) => each.device === device)?.file
if (!image) throw new Error(`${device} has no image`)
const path = dirname(dirname(dirname(dirname(image)))) // <test directory>/state/pool/copies/<copy>.img
process.stdout.write(`${JSON.stringify({path, holder: Number(holder)})}\n`)
setInterval(() => undefined, 60_000)
