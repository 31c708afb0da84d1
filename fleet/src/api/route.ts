import type {HostId} from '@hearth/proto/ids'
import type {FastifyReply, FastifyRequest} from 'fastify'
import type {Static, TSchema} from 'typebox'
import type {Principal} from '../fleet.ts'

/** Who may ask: anyone at all, whoever has a token, an admin token, or a host with its certificate. */
export type Access = 'anyone' | 'token' | 'admin' | 'host'

type Shape<Body extends TSchema, Query extends TSchema> = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `:name` is one segment (URL-encoded if it holds a slash), `*` is all that is left. */
  readonly path: string
  /** How the OpenAPI document writes a path with `*`. */
  readonly shownPath?: string
  readonly summary: string
  readonly body?: Body
  readonly query?: Query
  /** The schema of the answer's JSON; null: no body (204); a string: that content type. */
  readonly answer: TSchema | string | null
  /** Also answers this schema as `application/x-ndjson`, one line at a time. */
  readonly streams?: boolean
  readonly status?: number
  readonly bodyLimitBytes?: number
}

/** What a handler gets: the validated request, and who asks as its access promises. */
export type Call<Body = unknown, Query = unknown> = {
  readonly body: Body
  readonly query: Query
  readonly params: Readonly<Record<string, string>>
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}
export type Caller = {readonly principal: Principal | null; readonly host: HostId | null}

export type Route = Shape<TSchema, TSchema> & {
  readonly access: Access
  handle(call: Call, caller: Caller): Promise<unknown>
}

/** A route for anyone. */
export const openRoute = <B extends TSchema, Q extends TSchema>(
  shape: Shape<B, Q>,
  handle: (call: Call<Static<B>, Static<Q>>) => Promise<unknown>,
): Route => ({...shape, access: 'anyone', handle: (call) => handle(call as Call<Static<B>, Static<Q>>)})

/** A route for people and CI; `admin` ones need an admin token. */
export const tokenRoute = <B extends TSchema, Q extends TSchema>(
  access: 'token' | 'admin',
  shape: Shape<B, Q>,
  handle: (call: Call<Static<B>, Static<Q>>, by: Principal) => Promise<unknown>,
): Route => ({
  ...shape,
  access,
  handle: (call, caller) => handle(call as Call<Static<B>, Static<Q>>, caller.principal as Principal),
})

/** A route for agents, with their host certificate. */
export const hostRoute = <B extends TSchema, Q extends TSchema>(
  shape: Shape<B, Q>,
  handle: (call: Call<Static<B>, Static<Q>>, host: HostId) => Promise<unknown>,
): Route => ({
  ...shape,
  access: 'host',
  handle: (call, caller) => handle(call as Call<Static<B>, Static<Q>>, caller.host as HostId),
})

/** A path's parameter, which the router guarantees to be there. */
export const param = (call: Call, name: string): string => call.params[name] ?? ''
