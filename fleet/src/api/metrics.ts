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
      const {renderMetrics} = await import('./render-metrics.ts')
      return renderMetrics(await fleet.status(scraper))
    },
  )

/** Whether an address is this machine's own, which no other machine can send from. */
export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/.test(address)
