import {type Static, Type} from 'typebox'
import {DesiredBuilder, DesiredCopy, DesiredGeneration} from './desired.ts'
import {Revision, Term} from './ids.ts'
import {DurationMs, message, nullable, unionByType} from './schema.ts'

/** The drain that the fleet has decided on for this host; for the agent it is news, not a command. */
export const Drain = Type.Object({reason: Type.String(), remainingMs: nullable(DurationMs)})
export type Drain = Static<typeof Drain>

/** All that the fleet says to an agent. Unknown fields are ignored, so an older agent survives a newer fleet. */
export const FleetMessage = unionByType(
  message('welcome', {
    connection: Type.String(),
    term: Term,
    heartbeatMs: Type.Integer({minimum: 100}),
    nextSyncInMs: Type.Integer({minimum: 0}),
  }),
  message('desired', {
    term: Term,
    revision: Revision,
    builders: Type.Array(DesiredBuilder),
    copies: Type.Array(DesiredCopy),
    generations: Type.Array(DesiredGeneration),
    drain: nullable(Drain),
  }),
  /** The connection is closed after it. `code`: `duplicate-identity`, `removed`, `replaced`, `protocol`. */
  message('refused', {code: Type.String(), reason: Type.String()}),
  message('unsupported', {of: Type.String()}),
)
export type FleetMessage = Static<typeof FleetMessage>
export type Desired = Extract<FleetMessage, {type: 'desired'}>
/** What an agent must supply: a message that nobody answers does not compile. */
export type OnFleetMessage = {[T in FleetMessage['type']]: (message: Extract<FleetMessage, {type: T}>) => void}
