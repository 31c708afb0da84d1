import type {CopyId} from '@hearth/proto/ids'
import type {Change} from '../../change.ts'
import {newCopyBytes} from '../../projects/policy.ts'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../../store/records.ts'
import {freshCopy} from '../copy.ts'
import {isShared} from '../driver.ts'
import {sparesMissing} from './decide.ts'

/**
 * Wants clones of the head made ahead, as a build that begins beside another would wait for one. On a host that takes no longer than to
 * find a spare; in shared storage it does. No build gets one that is not made yet.
 */
export const wantSpares = async (
  change: Change,
  volume: VolumeRecord,
  head: GenerationRecord | null,
  copies: readonly CopyRecord[],
) => {
  const {core, tx} = change
  const inUse = copies.find(({state}) => state === 'attached')
  if (!core.storage || !isShared(volume) || !inUse || !head) return
  const missing = sparesMissing({head, copies}, core.policy.spareClones)
  if (missing === 0 || (await tx.leases.list({state: 'placed'})).length > 0) return // a build that starts needs the CPU more
  const project = await tx.projects.get(volume.project)
  for (let left = missing; left > 0; left--) {
    const id = core.random.uuid() as CopyId
    const spare = freshCopy(id, volume, inUse.host, head, newCopyBytes(core, project, head))
    await change.tx.copies.put({...spare, spare: 'due'})
    change.event({type: 'copyCreated', copy: id, host: inUse.host, from: head.id})
  }
}
