import {Build, buildStates, CancelBuild, CreateBuild, FinishBuild, ProjectName} from '@hearth/proto/api'
import {Architecture} from '@hearth/proto/common'
import type {BuildId} from '@hearth/proto/ids'
import {oneOf} from '@hearth/proto/schema'
import {Type} from 'typebox'
import {ApiFailure} from '../api-failure.ts'
import type {Fleet, Principal} from '../fleet.ts'
import {type Call, param, type Route, tokenRoute} from './route.ts'

const ListBuilds = Type.Object(
  {
    project: Type.Optional(ProjectName),
    state: Type.Optional(oneOf(...buildStates)),
    limit: Type.Optional(Type.Integer({minimum: 1, maximum: 1000})),
  },
  {additionalProperties: false},
)
const OfArchitecture = Type.Object({architecture: Type.Optional(Architecture)}, {additionalProperties: false})

/** Makes an answer of the values of an iterable, as lines of JSON for as long as the client listens and the fleet runs. */
export type StreamLines = (call: Call, lines: (signal: AbortSignal) => AsyncIterable<unknown>) => object

export const buildRoutes = (fleet: Fleet, streamLines: StreamLines): readonly Route[] => {
  const watch = (call: Call, id: BuildId, by: Principal) =>
    streamLines(call, (signal) => fleet.watchBuild(id, by, signal))
  return [
    tokenRoute(
      'token',
      {
        method: 'POST',
        path: '/v1/builds',
        summary: 'Ask for builders. With Accept: application/x-ndjson, also watch the build: one round trip',
        body: CreateBuild,
        answer: Build,
        streams: true,
      },
      async (call, by) => {
        const build = await fleet.createBuild(call.body, by)
        return wantsLines(call) ? watch(call, build.id, by) : build
      },
    ),
    tokenRoute(
      'token',
      {
        method: 'GET',
        path: '/v1/builds',
        summary: 'List builds, the newest first',
        query: ListBuilds,
        answer: Type.Array(Build),
      },
      ({query}, by) => fleet.listBuilds({limit: 50, ...query}, by),
    ),
    tokenRoute(
      'token',
      {
        method: 'GET',
        path: '/v1/builds/:id',
        summary: 'Show a build; a unique prefix of its id is enough',
        answer: Build,
      },
      (call, by) => fleet.showBuild(param(call, 'id'), by),
    ),
    tokenRoute(
      'token',
      {
        method: 'GET',
        path: '/v1/builds/:id/watch',
        summary: 'Watch a build: a line now and at each change, until it is final',
        answer: Build,
        streams: true,
      },
      async (call, by) => watch(call, (await fleet.showBuild(param(call, 'id'), by)).id, by),
    ),
    ...clientRoutes(fleet),
  ]
}

/** What the client of a build says about it. */
const clientRoutes = (fleet: Fleet): readonly Route[] => [
  tokenRoute(
    'token',
    {method: 'POST', path: '/v1/builds/:id/renew', summary: 'Say that the client still waits', answer: null},
    (call, by) => fleet.renewBuild(param(call, 'id') as BuildId, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'POST',
      path: '/v1/builds/:id/finish',
      summary: 'Say that the client is done; the truth is read from the builder',
      body: FinishBuild,
      answer: Build,
    },
    (call, by) => fleet.finishBuild(param(call, 'id') as BuildId, call.body, by),
  ),
  tokenRoute(
    'token',
    {method: 'POST', path: '/v1/builds/:id/cancel', summary: 'Cancel a build', body: CancelBuild, answer: Build},
    (call, by) => fleet.cancelBuild(param(call, 'id'), call.body, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'GET',
      path: '/v1/builds/:id/logs',
      summary: "A build's log, as text",
      query: OfArchitecture,
      answer: 'text/plain',
    },
    async (call, by) => {
      const id = param(call, 'id')
      const text = await fleet.buildLog(id, call.query.architecture ?? null, by)
      if (text === null)
        throw new ApiFailure(404, 'no-log', `build ${id} has no log (yet): it is kept when a build ends`)
      return text
    },
  ),
]

const wantsLines = ({request}: Call): boolean => (request.headers.accept ?? '').includes('application/x-ndjson')
