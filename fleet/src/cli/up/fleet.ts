import {mkdirSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {HostId} from '@hearth/proto/ids'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {longestLogQueueBytes, outlivingItsDisk} from '@hearth/proto/real-log'
import {type Logger, pino} from 'pino'
import {addHostText} from '../../add-host.ts'
import type {FleetConfig} from '../../config.ts'
import {createFleet} from '../../core.ts'
import {type RunningFleet, startFleet} from '../../real-fleet.ts'
import {StoreLockedError} from '../../store/store.ts'
import type {Context} from '../context.ts'
import {version} from '../version.ts'
import {sayReady} from './detached.ts'
import {saveProfile, tellRunning, urlFile} from './running.ts'
import type {StopRequests} from './stop-requests.ts'

// The fleet's half of `hearth up`.

const lockedForMs = 30_000

export const openLog = ({stateDir, logLevel}: FleetConfig): Logger => {
  mkdirSync(stateDir, {recursive: true, mode: 0o700})
  const dest = join(stateDir, 'hearth.log')
  const file = pino.destination({dest, sync: false, mode: 0o600, maxLength: longestLogQueueBytes})
  return pino({level: logLevel, base: null}, outlivingItsDisk(file))
}

export type FleetSurroundings = {
  readonly config: FleetConfig
  readonly context: Context
  readonly stop: StopRequests
  readonly log: Logger
  readonly localHost: () => HostId | null
}

/** Null if one runs already, which was said. One that is starting or ending is waited for. Throws what `startFailure` tells. */
export const openFleet = async ({config, context, stop, ...more}: FleetSurroundings): Promise<RunningFleet | null> => {
  const seams = {clock: realClock, random: realRandom, makeFleet: createFleet}
  for (const deadline = Date.now() + lockedForMs; ; await sleep(200)) {
    try {
      return await startFleet({config, version, embedded: true, shutDown: stop.ask, ...seams, ...more})
    } catch (error) {
      if (!(error instanceof StoreLockedError)) throw error
      if (await tellRunning(config.stateDir, context)) return null
      if (Date.now() > deadline) throw error
    }
  }
}

/** Everything is ready: leaves URL and profile for other commands, and says what is next. */
export const sayUp = async (
  {url, urlHere, adminToken, caPem}: RunningFleet,
  {stateDir}: FleetConfig,
  context: Context,
): Promise<void> => {
  const {print} = context
  await writeFile(urlFile(stateDir), urlHere, {mode: 0o600})
  saveProfile({url: urlHere, token: adminToken.token, caPem, createsProjects: true, stateDir}, context)
  print.note(`Hearth ${version} is up at ${url}`)
  print.note('next: hearth build .')
  const directory = stateDir === '/var/lib/hearth' ? '' : ` --state-dir ${stateDir}`
  const restart = (listen: string) => `hearth down && hearth up --detach${directory} --listen ${listen}`
  for (const line of addHostText({url, restart})) print.note(line)
  sayReady()
}
