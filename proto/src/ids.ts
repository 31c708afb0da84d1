import {Type} from 'typebox'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & {readonly [brand]: Name}

/** A name that is safe in a path, a cgroup and a network device: letters, digits, dash, at most 40. */
const id = <Id extends string>() => Type.Unsafe<Id>(Type.String({pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,39}$'}))
const counter = <Count extends number>(minimum: number) => Type.Unsafe<Count>(Type.Integer({minimum}))

export type HostId = Branded<string, 'HostId'>
export type BuildId = Branded<string, 'BuildId'>
export type LeaseId = Branded<string, 'LeaseId'>
export type BuilderId = Branded<string, 'BuilderId'>
export type ProjectId = Branded<string, 'ProjectId'>
export type GenerationId = Branded<string, 'GenerationId'>
/** A UUID: it is also the UUID of the file system that is made in an empty copy. */
export type CopyId = Branded<string, 'CopyId'>
/** Number of one attachment of a copy; only grows, and each new attachment gets a higher one. */
export type Epoch = Branded<number, 'Epoch'>
/** Number of a fleet leader. */
export type Term = Branded<number, 'Term'>
/** Number of a host's desired state within a term. */
export type Revision = Branded<number, 'Revision'>

export const HostId = id<HostId>()
export const BuildId = id<BuildId>()
export const LeaseId = id<LeaseId>()
export const BuilderId = id<BuilderId>()
export const ProjectId = id<ProjectId>()
export const GenerationId = id<GenerationId>()
export const CopyId = Type.Unsafe<CopyId>(Type.String({pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'}))
export const Epoch = counter<Epoch>(1)
export const Term = counter<Term>(1)
export const Revision = counter<Revision>(0)
