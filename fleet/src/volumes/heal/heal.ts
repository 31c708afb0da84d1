import type {GenerationId} from '@hearth/proto/ids'
import type {Change} from '../../change.ts'
import type {LeaseRecord} from '../../store/records.ts'
import {volumeId} from '../volume.ts'
import {decideHealing} from './decide.ts'

/**
 * A lease is ready whose builders did not start on some generations: those are bad, and the head goes back behind them. Builds that
 * run go on, and what they leave may become the head: they did start. Nothing to do is success.
 */
export const heal = async (change: Change, {project, architecture, unusable}: LeaseRecord) => {
  if (unusable) await goBehind(change, volumeId(project, architecture), unusable.generations, unusable.why)
}

/** These are bad, as a build that did without them has shown. */
export const goBehind = async (change: Change, id: string, unusable: readonly GenerationId[], why: string) => {
  const {tx} = change
  const volume = await tx.volumes.get(id)
  if (!volume || unusable.length === 0) return
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const {bad, head} = decideHealing({head: volume.head, generations, unusable})
  for (const generation of generations)
    if (bad.includes(generation.id)) await change.putGeneration({...generation, knownGood: false})
  if (bad.length > 0 || head !== volume.head)
    change.event({type: 'cacheHealed', volume: volume.id, generation: head, bad})
  if (head === volume.head) return
  const numberOf = (id: typeof head) => generations.find((each) => each.id === id)?.number ?? null
  const [from, to] = [numberOf(volume.head), numberOf(head)]
  await tx.volumes.put({
    ...volume,
    head,
    ...(volume.pinned ? {pinned: head} : {}),
    emptyWhy: head === null ? why : null,
    ...(to === null ? {} : {lastRollback: {at: change.at, from, to, why}}),
  })
  const what = to === null ? `generation ${from}: no other is left` : `generation ${from} to ${to}`
  await change.audit('fleet', 'heal cache', `${volume.projectName}/${volume.architecture}`, `${what}: ${why}`)
  change.nudge()
}
