import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {startCephHearth} from '../ceph/hearth-rig.ts'
import {tracesOf} from '../support/traces.ts'
import {killDaemons} from './daemons.ts'
import {type MakeGround, pick} from './ground.ts'

const host = 'h1'

const buildersIn = async (runtimeDir: string) => (await readdir(runtimeDir)).filter((name) => name.startsWith('n-'))

/** A fleet and an agent, with their caches in a real Ceph. */
export const makeCephGround: MakeGround = async (directory, random) => {
  const rig = await startCephHearth(directory, [host], {warmIdle: pick(['0s', '2s', '10m'], random)})
  const {hearth} = rig
  const stateDir = rig.stateDirOf(host)
  const runtimeDir = join(stateDir, 'run')
  if ((await hearth.run('projects', 'create', 'web')).code !== 0) throw new Error('the project could not be made')
  const killServers = async (): Promise<undefined> => {
    for (const pid of await rig.serversOf(host)) process.kill(pid, 'SIGKILL')
  }
  const startAgent = async () => {
    const startedAt = performance.now()
    await rig.startAgent(host)
    return startedAt
  }
  return {
    hearth,
    victims: [
      {name: 'buildkitd', kill: async () => await killDaemons(runtimeDir)},
      {name: 'rbd-fuse', kill: killServers},
      {
        name: 'agent',
        kill: async () => {
          await rig.killAgent(host)
          return await startAgent()
        },
      },
      {
        name: 'all three',
        kill: async () => {
          await rig.killAgent(host)
          await killDaemons(runtimeDir)
          await killServers()
          return await startAgent()
        },
      },
      {
        name: 'fleet',
        kill: async () => {
          await rig.killFleet()
          const startedAt = performance.now()
          await rig.startFleet()
          return startedAt
        },
      },
    ],
    stop: async () => {
      const {code} = await hearth.run('drain', host)
      // its slots are free then; the last traces of a builder go a moment later, and an agent that is told to end leaves them to the next
      for (let waitMs = 20; waitMs < 10_000 && (await buildersIn(runtimeDir)).length > 0; waitMs *= 2)
        await sleep(waitMs)
      const {said} = await rig.stop()
      const builders = [...new Set([...said.matchAll(/"builder":"([^"]+)"/g)].map(([, builder]) => builder as string))]
      const left = await tracesOf({path: stateDir, runtimeDir, builders})
      return {code, left}
    },
  }
}
