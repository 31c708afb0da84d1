import {existsSync} from 'node:fs'
import {createConnection, type Socket} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {callFleet} from '../channel/real-fleet-api.ts'
import {JoinError, savedIdentity} from '../channel/real-join.ts'
import {openJournal} from '../store/journal.ts'
import type {DrainNews, DrainRequest} from './progress.ts'
import {drainDoor} from './real-door.ts'

export type AskDrain = DrainRequest & {
  readonly stateDir: string
  /** Asked where no agent runs; null: it is not known. */
  readonly fleetUrl: string | null
  readonly say: (text: string) => void
}

/**
 * `hearth-agent drain`: asks through the agent that runs on this state directory, else with its certificate at the fleet. Returns the
 * exit code once no builder is left here. Leaving it does not end the drain. Throws what `hostFailure` tells.
 */
export const askForDrain = async (ask: AskDrain): Promise<number> => {
  const socket = await connect(drainDoor(ask.stateDir))
  return socket ? await askAgent(socket, ask) : await askFleet(ask)
}

/** Null if no agent listens. */
const connect = (path: string): Promise<Socket | null> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path, () => resolve(socket))
    socket.once('error', (error: NodeJS.ErrnoException) =>
      ['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '') ? resolve(null) : reject(error),
    )
  })

const askAgent = async (socket: Socket, {reason, deadlineMs, detach, say}: AskDrain): Promise<number> => {
  socket.write(`${JSON.stringify({reason, deadlineMs, detach} satisfies DrainRequest)}\n`)
  let last: DrainNews | null = null
  for await (const line of createInterface({input: socket})) {
    last = JSON.parse(line) as DrainNews
    say(textOf(last))
  }
  if (last?.type === 'disconnected') return 3
  if (last?.type === 'cancelled') return 1
  if (last?.type === 'drained' || (detach && last)) return 0
  say('the agent has ended meanwhile: the drain goes on, and what is left here waits for the next agent')
  return 3
}

const textOf = (news: DrainNews): string => {
  switch (news.type) {
    case 'asked':
      return 'asked the fleet to drain this host'
    case 'waiting':
      return news.builds > 0
        ? `waiting for ${plural(news.builds, 'build')}`
        : `putting away ${plural(news.builders, 'builder')}`
    case 'drained':
      return 'drained: no builder is left here (hearth uncordon gives it builds again)'
    case 'cancelled':
      return 'the drain was cancelled: this host takes builds again'
    case 'disconnected':
      return 'the agent has no connection to its fleet, so nothing was asked: try again, or see its log'
  }
}

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const askFleet = async ({stateDir, fleetUrl, reason, deadlineMs, say}: AskDrain): Promise<number> => {
  const path = join(stateDir, 'agent.db')
  if (!existsSync(path)) throw new JoinError(`no hearth-agent runs on ${stateDir}, and none has: see --state-dir`)
  const journal = openJournal(path)
  try {
    const identity = await savedIdentity({stateDir, journal})
    if (!identity) throw new JoinError(`the agent of ${stateDir} has not joined a fleet: there is nothing to drain`)
    if (!fleetUrl) throw new JoinError('no agent runs here, so the fleet is asked: say which with --fleet URL')
    const {caPem: ca, certificatePem: cert, keyPem: key} = identity
    const body = {reason, deadlineMs}
    await callFleet(fleetUrl, {method: 'POST', path: '/agent/v1/drain', body, ca, cert, key})
    const left = journal.builders().filter(({released}) => !released).length
    if (left === 0) say('asked the fleet to drain this host: no builder is left here')
    else
      say(
        `asked the fleet to drain this host; start hearth-agent to put away what is left (${plural(left, 'builder')})`,
      )
    return left === 0 ? 0 : 3
  } finally {
    journal.close()
  }
}
