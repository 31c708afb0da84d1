// The life of a lease. Every state answers every event, or this does not compile. `null`: late or repeated news, so ignore it.
// Invariants: `ended` is left by nothing, and is entered once; only `placed` and `ready` have a builder.

export const leaseStates = ['queued', 'placed', 'ready', 'ended'] as const
export type LeaseState = (typeof leaseStates)[number]

/**
 * placed: a builder was granted · ready: it waits for the client · outcome: its agent told how the build ended ·
 * retry: the builder did not start or went away before the build could begin, and another attempt is left ·
 * giveUp: the same with none left, or the host went away in mid-build, or no host could ever serve it · cancel: someone wants it ended
 */
export const leaseEvents = ['placed', 'ready', 'outcome', 'retry', 'giveUp', 'cancel'] as const
export type LeaseEvent = (typeof leaseEvents)[number]

/** What follows: desire: the host is told · tellClient · requeue: placed anew · askAgent: ends when the agent says so · record. */
export type Effect = 'desire' | 'tellClient' | 'requeue' | 'askAgent' | 'record'

const transitions: Record<LeaseState, Record<LeaseEvent, readonly [LeaseState, Effect] | null>> = {
  queued: {
    placed: ['placed', 'desire'],
    ready: null,
    outcome: ['ended', 'record'], // a restored store may think that it waits: it was built
    retry: null,
    giveUp: ['ended', 'record'],
    cancel: ['ended', 'record'],
  },
  placed: {
    placed: null,
    ready: ['ready', 'tellClient'],
    outcome: ['ended', 'record'],
    retry: ['queued', 'requeue'],
    giveUp: ['ended', 'record'],
    cancel: ['ended', 'record'], // no client has its certificate yet, so nothing can be running
  },
  ready: {
    placed: null,
    ready: null,
    outcome: ['ended', 'record'],
    retry: null,
    giveUp: ['ended', 'record'],
    cancel: ['ready', 'askAgent'],
  },
  ended: {placed: null, ready: null, outcome: null, retry: null, giveUp: null, cancel: null},
}

/** The next state and what follows from it, or null if the event is to be ignored. */
export const transition = (state: LeaseState, event: LeaseEvent): readonly [LeaseState, Effect] | null =>
  transitions[state][event]
