import {AuditEntry, Status, WhoAmI} from '@hearth/proto/api'
import {Type} from 'typebox'
import type {Fleet} from '../fleet.ts'
import {openRoute, type Route, tokenRoute} from './route.ts'

export type AboutDeps = {
  readonly fleet: Fleet
  readonly caPem: string
  readonly buildsCreateProjects: boolean
  readonly version: string
  /** Made when first asked for: it needs libraries that nothing else does. */
  readonly openApi: () => Promise<object>
}

const ListAudit = Type.Object(
  {limit: Type.Optional(Type.Integer({minimum: 1, maximum: 10_000}))},
  {additionalProperties: false},
)
const Health = Type.Object({status: Type.Literal('ok'), version: Type.String()})

/** What the fleet says of itself. */
export const aboutRoutes = ({fleet, caPem, buildsCreateProjects, version, openApi}: AboutDeps): readonly Route[] => [
  tokenRoute(
    'token',
    {
      method: 'GET',
      path: '/v1/status',
      summary: 'The fleet at a glance: hosts, slots, builds, problems',
      answer: Status,
    },
    (_call, by) => fleet.status(by),
  ),
  tokenRoute(
    'token',
    {method: 'GET', path: '/v1/whoami', summary: 'What the token that asks may do', answer: WhoAmI},
    async (_call, {kind, actor, projects, trust}) => ({
      kind,
      name: actor,
      projects,
      trust,
      createsProjects: buildsCreateProjects && projects === null,
    }),
  ),
  tokenRoute(
    'admin',
    {
      method: 'GET',
      path: '/v1/audit',
      summary: 'Who took capacity away or touched a cache, the newest first',
      query: ListAudit,
      answer: Type.Array(AuditEntry),
    },
    ({query}, by) => fleet.listAudit(query.limit ?? 100, by),
  ),
  openRoute(
    {
      method: 'GET',
      path: '/v1/ca',
      summary: "The fleet's CA, PEM: believe it only if it has the pin",
      answer: 'application/x-pem-file',
    },
    async () => caPem,
  ),
  openRoute({method: 'GET', path: '/healthz', summary: 'Whether the fleet answers', answer: Health}, async () => ({
    status: 'ok',
    version,
  })),
  openRoute({method: 'GET', path: '/v1/openapi.json', summary: 'This document', answer: Type.Object({})}, () =>
    openApi(),
  ),
]
