import type {Status} from '@hearth/proto/api'
import {ApiFailure} from '../api-failure.ts'
import type {Fleet, Principal} from '../fleet.ts'
import {type AccessDeps, principalBy} from './access.ts'
import {openRoute, type Route} from './route.ts'

const scraper: Principal = {actor: 'metrics', tokenId: 'metrics', kind: 'admin', projects: null, trust: 'trusted'}

export type MetricsDeps = Pick<AccessDeps, 'tokens'> & {readonly fleet: Pick<Fleet, 'status'>}

/** `GET /metrics`, for whoever asks from this machine or with an admin token. */
export const metricsRoute = ({fleet, tokens}: MetricsDeps): Route =>
  openRoute(
    {
      method: 'GET',
      path: '/metrics',
      summary: 'Prometheus metrics: builds, slots, hosts, caches',
      answer: 'text/plain',
    },
    async ({request}) => {
      if (!isLoopback(request.socket.remoteAddress)) {
        const {kind} = await principalBy(request.headers.authorization, {tokens})
        if (kind !== 'admin') throw new ApiFailure(403, 'forbidden', 'metrics need an admin token')
      }
      return renderMetrics(await fleet.status(scraper))
    },
  )

/** Whether an address is this machine's own, which no other machine can send from. */
export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/.test(address)

/** In Prometheus' text form. prom-client is loaded at the first scrape: many fleets have none. */
const renderMetrics = async (status: Status): Promise<string> => {
  const {Gauge, Registry} = await import('prom-client')
  const registry = new Registry()
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({name, help, labelNames, registers: [registry]})
  const builds = gauge('hearth_builds', 'Builds that are not final, by state', ['state'])
  for (const [state, count] of Object.entries(status.builds)) builds.set({state}, count)
  const hosts = gauge('hearth_hosts', 'Hosts, by state', ['state'])
  for (const [state, count] of Object.entries(status.hosts)) hosts.set({state}, count)
  const slots = gauge('hearth_slots', 'Slots, by architecture and state', ['architecture', 'state'])
  const queued = gauge('hearth_leases_queued', 'Leases that wait for a slot, by architecture', ['architecture'])
  for (const {architecture, queued: waiting, total: _sum, ...states} of status.capacity) {
    for (const [state, count] of Object.entries(states)) slots.set({architecture, state}, count)
    queued.set({architecture}, waiting)
  }
  gauge('hearth_cache_bytes', 'Bytes that cache volumes take', []).set(status.caches.usedBytes)
  gauge('hearth_problems', 'Problems that hearth status names', []).set(status.problems.length)
  return registry.metrics()
}
