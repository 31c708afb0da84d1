import {chmod, rm} from 'node:fs/promises'
import {createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import type {Clock, Log} from '@hearth/proto/clock'
import type {Drain} from '@hearth/proto/fleet-message'
import type {JournalBuilder} from '../store/journal.ts'
import {type DrainNews, type DrainRequest, drainNews} from './progress.ts'

// Where `hearth-agent drain` reaches the agent that runs on the same state directory: a socket in it, for root only.

export type DoorDeps = {
  readonly stateDir: string
  /** See `Agent.requestDrain`. */
  readonly request: (reason: string, deadlineMs: number | null) => boolean
  readonly draining: () => Drain | null
  readonly rows: () => readonly JournalBuilder[]
  readonly clock: Clock
  readonly log: Log
}

const lookAgainMs = 100
const longestRequest = 4096

export const drainDoor = (stateDir: string): string => join(stateDir, 'agent.sock')

/** Listens until the signal aborts. An agent whose path is too long for a socket goes on without one. */
export const keepDrainDoor = async (deps: DoorDeps, signal: AbortSignal): Promise<void> => {
  const {stateDir, log} = deps
  const path = drainDoor(stateDir)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', () => socket.destroy())
    void answer(socket, deps, signal).catch((err: unknown) => {
      if (!signal.aborted) log.warn({err}, 'a request to drain could not be answered')
      socket.destroy()
    })
  })
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const close = () => {
    server.close()
    for (const socket of open) socket.destroy()
  }
  try {
    await rm(path, {force: true}) // the journal's lock says that no other agent listens there
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    await chmod(path, 0o600)
  } catch (err) {
    log.warn({err, path}, 'hearth-agent drain can only ask the fleet')
    return
  }
  if (signal.aborted) close()
  else signal.addEventListener('abort', close, {once: true})
  await closed
}

const answer = async (
  socket: Socket,
  {request, draining, rows, clock}: DoorDeps,
  signal: AbortSignal,
): Promise<void> => {
  const {reason, deadlineMs, detach} = await readRequest(socket)
  const say = (news: DrainNews) => void socket.write(`${JSON.stringify(news)}\n`)
  if (!request(reason, deadlineMs)) say({type: 'disconnected'})
  else {
    let seen = false
    let said = ''
    while (socket.writable) {
      const drain = draining()
      const news = drainNews(rows(), drain, seen)
      seen ||= drain !== null
      if (JSON.stringify(news) !== said) say(news)
      said = JSON.stringify(news)
      if (news.type === 'drained' || news.type === 'cancelled' || (detach && seen)) break
      await clock.sleep(lookAgainMs, signal)
    }
  }
  socket.end()
}

const readRequest = async (socket: Socket): Promise<DrainRequest> => {
  let text = ''
  for await (const chunk of socket.setEncoding('utf8').iterator({destroyOnReturn: false})) {
    text += String(chunk)
    if (text.includes('\n') || text.length > longestRequest) break
  }
  return JSON.parse(text) as DrainRequest
}
