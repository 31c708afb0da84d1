import type {Change} from '../change.ts'
import type {BuilderRecord} from '../store/records.ts'

/** Wants a builder gone; it stays on record until its release. `failed`: its copy is not to be trusted. Repeating it changes nothing. */
export const terminateBuilder = async (
  change: Change,
  builder: BuilderRecord,
  reason: string,
  {failed}: {failed: boolean} = {failed: false},
) => {
  const known = await change.tx.builders.get(builder.id)
  if (!known || (known.want === 'terminated' && known.failed === (known.failed || failed))) return
  if (known.want === 'ready') {
    change.event({type: 'builderTerminated', builder: known.id, host: known.host, reason})
  }
  const because = known.want === 'terminated' ? known.reason : reason
  await change.putBuilder({...known, want: 'terminated', reason: because, failed: known.failed || failed})
}
