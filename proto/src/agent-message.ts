import {type Static, Type} from 'typebox'
import {Architecture} from './common.ts'
import {HostId, Revision, Term} from './ids.ts'
import {HostUsage, ObservedBuilder, ObservedCopy, ObservedGeneration} from './observed.ts'
import {Bytes, message, nullable, unionByType} from './schema.ts'

/** Raised when either side must be able to tell; a peer with another number is still served. */
export const protocolVersion = 1

/** All that an agent says. `term` and `revision` in `observed` are those of the last desired state that it acts on. */
export const AgentMessage = unionByType(
  message('hello', {
    protocol: Type.Integer({minimum: 1}),
    version: Type.String(),
    host: HostId,
    name: Type.String({maxLength: 253}),
    bootId: Type.String(),
    agentInstance: Type.String(),
    architecture: Architecture,
    slots: Type.Integer({minimum: 0}),
    cpus: Type.Integer({minimum: 1}),
    memoryBytes: Bytes,
    operatingSystem: Type.String(),
    volumeDrivers: Type.Array(Type.String()),
    builders: Type.Array(ObservedBuilder),
  }),
  message('observed', {
    term: nullable(Term),
    revision: nullable(Revision),
    builders: Type.Array(ObservedBuilder),
    copies: Type.Array(ObservedCopy),
    generations: Type.Array(ObservedGeneration),
    usage: HostUsage,
  }),
  /** The host asks to be drained (`hearth-agent drain`, a spot notice, shutdown). Repeating it changes nothing. */
  message('drain', {reason: Type.String(), deadlineMs: nullable(Type.Integer({minimum: 0}))}),
  message('unsupported', {of: Type.String()}),
)
export type AgentMessage = Static<typeof AgentMessage>
export type Hello = Extract<AgentMessage, {type: 'hello'}>
export type Observed = Extract<AgentMessage, {type: 'observed'}>
