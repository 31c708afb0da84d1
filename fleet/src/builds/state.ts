import type {BuildLease, buildStates} from '@hearth/proto/api'
import type {FinalState} from '@hearth/proto/common'

export type BuildState = (typeof buildStates)[number]
type LeaseEnd = Pick<BuildLease, 'state' | 'outcome' | 'reason'>

/**
 * Worst first. Infrastructure stands before cancelled, because a lease that can't be served takes its siblings with it, as
 * `cancelled`: the build's state is the cause. A lease that someone cancelled never ends as infrastructure.
 */
const worstFirst: readonly FinalState[] = ['infrastructure', 'cancelled', 'failed', 'succeeded']

/** A build's state follows from its leases: queued until one is placed, final once all have ended. */
export const buildStateOf = (leases: readonly LeaseEnd[]): {state: BuildState; reason: string | null} => {
  if (leases.some(({state}) => state !== 'ended')) {
    return {state: leases.every(({state}) => state === 'queued') ? 'queued' : 'running', reason: null}
  }
  const state = worstFirst.find((worst) => leases.some(({outcome}) => outcome === worst)) ?? 'infrastructure'
  return {state, reason: leases.find(({outcome}) => outcome === state)?.reason ?? null}
}

export const isFinal = (state: BuildState): state is FinalState => state !== 'queued' && state !== 'running'
