import type {Status} from '@hearth/proto/api'
import {Gauge, Registry} from 'prom-client'

// Imported at the first scrape only: many fleets have none.

/** A fleet's status in Prometheus' text form. */
export const renderMetrics = async (status: Status): Promise<string> => {
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
