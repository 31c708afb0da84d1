import {setTimeout as sleep} from 'node:timers/promises'
import type {HostId} from '@hearth/proto/ids'
import type {Fleet, Principal} from '../../fleet.ts'
import {InfrastructureError} from '../failures.ts'
import {runningBuilds} from '../hosts/running-builds.ts'
import type {Printer} from '../printer.ts'
import type {StopRequests} from './stop-requests.ts'

export const owner: Principal = {
  actor: 'hearth up',
  tokenId: 'up',
  kind: 'admin',
  projects: null,
  trust: 'trusted',
}

const goingDown = 'Hearth is going down'
const onlineWithinMs = 120_000
const lookAgainMs = 20

type Here = {readonly fleet: Fleet; readonly localHost: () => HostId | null}

/** Resolves when the agent of this process is connected. Throws `InfrastructureError` if it takes too long. */
export const untilOnline = async ({fleet, localHost}: Here, signal: AbortSignal): Promise<void> => {
  const deadline = Date.now() + onlineWithinMs
  while (Date.now() < deadline) {
    const id = localHost()
    const host = id && (await fleet.showHost(id, owner).catch(() => null)) // not registered yet
    if (host && host.connection === 'online') return
    await sleep(10, undefined, {signal})
  }
  throw new InfrastructureError(
    'the agent did not reach its fleet within 2 minutes: see hearth.log in the state directory',
  )
}

/** Takes back the drain with which the last Hearth of this state directory ended; whatever else was decided of this host stays. */
export const openForBuilds = async ({fleet, localHost}: Here): Promise<void> => {
  const id = localHost()
  const host = id && (await fleet.showHost(id, owner))
  if (host && host.drain?.reason === goingDown) await fleet.uncordonHost(host.id, owner)
}

/** No new builds; those that run end, or are cancelled when someone insists; every volume is detached. Says what it waits for. */
export const drainHere = async (here: Here, {insisted}: StopRequests, print: Printer): Promise<void> => {
  const {fleet} = here
  const id = here.localHost()
  if (!id) return
  const drain = (deadlineMs: number | null) => fleet.drainHost(id, {reason: goingDown, deadlineMs}, owner)
  await drain(null)
  const ended = new AbortController()
  const insist = insisted.then(async () => {
    if (!ended.signal.aborted) await drain(0)
  })
  try {
    await Promise.race([watchDrain(here.fleet, id, print), insist.then(() => new Promise<never>(() => undefined))])
  } finally {
    ended.abort()
  }
}

const watchDrain = async (fleet: Fleet, id: HostId, print: Printer): Promise<void> => {
  for (let said = ''; ; await sleep(lookAgainMs)) {
    const host = await fleet.showHost(id, owner)
    const {busy, warm, terminating} = host.slots
    if (busy + warm + terminating === 0) return
    const text = busy > 0 ? `waiting for ${runningBuilds(host)} (Ctrl-C again cancels)` : 'detaching caches'
    if (text !== said) print.note(text)
    said = text
  }
}
