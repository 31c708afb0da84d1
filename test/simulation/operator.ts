import type {Fleet, Principal} from '@hearth/fleet/fleet'
import {architectures} from '@hearth/proto/common'
import type {Victims} from './faults.ts'

const place = 'ops'
const admin: Principal = {actor: 'ops', tokenId: 'ops', kind: 'admin', projects: null, trust: 'trusted'}

type Act = (fleet: Fleet, victims: Victims) => Promise<unknown>

/** Any host that the fleet knows. */
const onAnyHost =
  (act: (fleet: Fleet, host: string, victims: Victims) => Promise<unknown>): Act =>
  async (fleet, victims) => {
    const host = victims.chance.pick(await fleet.listHosts(admin))
    if (host) await act(fleet, host.id, victims)
  }

const acts = {
  cordon: onAnyHost((fleet, host) => fleet.cordonHost(host, admin)),
  uncordon: onAnyHost((fleet, host) => fleet.uncordonHost(host, admin)),
  drain: onAnyHost((fleet, host, {chance}) => {
    const deadlineMs = chance.pick([0, 5_000, 30_000, null]) ?? null
    return fleet.drainHost(host, {deadlineMs, reason: 'upgrade'}, admin)
  }),
  removeHost: onAnyHost((fleet, host) => fleet.removeHost(host, admin)),
  rollBackCache: (fleet, {chance, projects}) => {
    const asked = {project: chance.pick(projects) ?? '', architecture: chance.pick(architectures) ?? null}
    return fleet.rollBackCache({...asked, to: chance.pick([null, null, 1, 2, 3]) ?? null}, admin)
  },
  pinCache: (fleet, {chance, projects}) =>
    fleet.pinCache({project: chance.pick(projects) ?? '', architecture: null, to: null}, admin),
  unpinCache: (fleet, {chance, projects}) =>
    fleet.unpinCache({project: chance.pick(projects) ?? '', architecture: null}, admin),
  setProject: (fleet, {chance, projects}) =>
    fleet.setProject(
      chance.pick(projects) ?? '',
      {
        promote: chance.pick(['auto', 'always', 'never', null] as const) ?? null,
        generations: chance.pick([1, 3, null]) ?? null,
        cacheAgeMs: chance.pick([20_000, 60_000, null]) ?? null,
        cacheSizeBytes: chance.pick([20e9, 80e9, null]) ?? null,
      },
      admin,
    ),
  resetCache: (fleet, {chance, projects}) => fleet.resetCache(chance.pick(projects) ?? '', null, admin),
  deleteProject: (fleet, {chance, projects}) => fleet.deleteProject(chance.pick(projects) ?? '', admin),
  cancelBuild: async (fleet, {chance}) => {
    const open = await fleet.listBuilds({limit: 50, state: 'running'}, admin)
    const build = chance.pick(open)
    if (build) await fleet.cancelBuild(build.id, {reason: 'not needed'}, admin)
  },
} satisfies Record<string, Act>

export const operations = Object.keys(acts) as readonly (keyof typeof acts)[]

/** An operator does one thing, and does not try again if the fleet can't be reached or refuses it. */
export const operate = (name: keyof typeof acts, victims: Victims): void => {
  victims.note(place, {type: 'operates', act: name})
  const done = victims.fleet.request(place, (fleet) => acts[name](fleet, victims).then(() => undefined))
  done.catch(() => undefined)
}

/** When the trouble is over: all hosts take builds again, and those that are no more are removed. False: some can't be yet. */
export const tidyUp = async ({fleet}: Victims): Promise<boolean> =>
  await fleet.request(place, async (each) => {
    let isTidy = true
    for (const {id, connection} of await each.listHosts(admin)) {
      await each.uncordonHost(id, admin)
      if (connection === 'online') continue
      isTidy = await each.removeHost(id, admin).then(
        () => isTidy,
        () => false,
      )
    }
    return isTidy
  })

export const countSlots = async ({fleet}: Victims) => await fleet.request(place, (each) => each.listHosts(admin))
export const openBuilds = async ({fleet}: Victims) => {
  const builds = await fleet.request(place, (each) => each.listBuilds({limit: 1000}, admin))
  return builds.filter(({endedAt}) => endedAt === null)
}
