import {
  type CallOptions,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import {loadSync} from '@grpc/proto-loader'
import {buildkitProto} from '@hearth/proto/buildkit'
import type {Clock} from '@hearth/proto/clock'
import {DaemonCallError, limited} from './call.ts'

// BuildKit's control API over a builder's own unix socket. What comes back has the shapes of buildkit.proto: numbers for 64-bit
// integers, strings for enums, null for a message that is not there.

export type Timestamp = {readonly seconds: number; readonly nanos: number}
export type HistoryRecord = {
  readonly Ref: string
  readonly error: {readonly code: number; readonly message: string} | null
  readonly CreatedAt: Timestamp | null
  readonly CompletedAt: Timestamp | null
  readonly numCachedSteps: number
  readonly numTotalSteps: number
  readonly externalError: {readonly digest: string; readonly size: number} | null
}
export type HistoryEvent = {readonly type: 'STARTED' | 'COMPLETE' | 'DELETED'; readonly record: HistoryRecord | null}
export type Vertex = {
  readonly digest: string
  readonly name: string
  readonly cached: boolean
  readonly started: Timestamp | null
  readonly completed: Timestamp | null
  readonly error: string
}
export type VertexStatus = {
  readonly ID: string
  readonly vertex: string
  readonly current: number
  readonly total: number
  readonly started: Timestamp | null
  readonly completed: Timestamp | null
}
export type VertexLog = {readonly vertex: string; readonly msg: Buffer}
export type VertexWarning = {readonly vertex: string; readonly short: Buffer}
export type StatusPart = {
  readonly vertexes: readonly Vertex[]
  readonly statuses: readonly VertexStatus[]
  readonly logs: readonly VertexLog[]
  readonly warnings: readonly VertexWarning[]
}

/** One connection to a daemon. Every call throws `DaemonCallError`, or the signal's reason. */
export interface Control {
  /** Waits until the daemon answers, for at most `deadlineMs`. */
  ready(deadlineMs: number, signal: AbortSignal): Promise<void>
  /** Ends by itself: all active builds, then all finished ones. */
  history(signal: AbortSignal): Promise<readonly HistoryEvent[]>
  /** Progress of a finished build, as it was reported. */
  status(ref: string, each: (part: StatusPart) => void, signal: AbortSignal): Promise<void>
  deleteRecord(ref: string, signal: AbortSignal): Promise<void>
  /** Its cache: what it takes, and how many entries of it take something (a lazy one, not pulled yet, is gone after a restart). */
  usage(signal: AbortSignal): Promise<{readonly bytes: number; readonly records: number}>
  /** Resolves when it is done, or has taken a while: the daemon stops then. */
  prune(maxUsedSpace: number, signal: AbortSignal): Promise<void>
  close(): void
}

export type ConnectControl = (socket: string) => Control

const pruneMs = 20_000
/** buildkitd may walk through a file system to measure it. */
const measureMs = 60_000

/**
 * Loads the definitions once; the function that it returns opens a connection, which the caller closes. A daemon of which nothing
 * came for `answerMs` is late; one that still tells is not, however long that takes.
 */
export const loadControl = (clock: Clock, answerMs: number): ConnectControl => {
  const definition = loadSync(buildkitProto, {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
  })
  const Client = (
    loadPackageDefinition(definition) as unknown as {moby: {buildkit: {v1: {Control: ServiceClientConstructor}}}}
  ).moby.buildkit.v1.Control
  return (socket) => {
    const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 5, // the socket is there a moment before it listens
      'grpc.max_reconnect_backoff_ms': 100,
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      'grpc.service_config_disable_resolution': 1,
    })
    return controlOver(client as unknown as Methods, clock, answerMs)
  }
}

type Unary = (
  request: object,
  metadata: Metadata,
  options: Partial<CallOptions>,
  done: (error: ServiceError | null, reply: unknown) => void,
) => {cancel(): void}
type Streaming = (request: object, options: Partial<CallOptions>) => ClientReadableStream<unknown>
type Methods = {
  Info: Unary
  DiskUsage: Unary
  UpdateBuildHistory: Unary
  Prune: Streaming
  Status: Streaming
  ListenBuildHistory: Streaming
} & {
  waitForReady(deadline: Date, done: (error?: Error) => void): void
  close(): void
}

const controlOver = (client: Methods, clock: Clock, answerMs: number): Control => {
  const unary = async (
    method: 'Info' | 'DiskUsage' | 'UpdateBuildHistory',
    request: object,
    silenceMs: number,
    signal: AbortSignal,
  ): Promise<unknown> => {
    signal.throwIfAborted()
    const {promise, resolve, reject} = Promise.withResolvers<unknown>()
    // a socket is there a moment before someone listens: `Info`, the first call, goes on trying to connect
    const metadata = new Metadata({waitForReady: method === 'Info'})
    const call = client[method](request, metadata, {}, (error, reply) =>
      error ? reject(new DaemonCallError(method, error)) : resolve(reply),
    )
    const heard = {atMs: clock.monotonic()}
    return await limited({method, call, outcome: promise, heard, silenceMs}, clock, signal)
  }
  const stream = async <Part>(
    method: 'Prune' | 'Status' | 'ListenBuildHistory',
    request: object,
    each: (part: Part) => void,
    signal: AbortSignal,
  ): Promise<void> => {
    signal.throwIfAborted()
    const {promise, resolve, reject} = Promise.withResolvers<void>()
    const call = client[method](request, {})
    const heard = {atMs: clock.monotonic()}
    call.on('data', (part: Part) => {
      if (method !== 'Prune') heard.atMs = clock.monotonic()
      each(part)
    })
    call.on('end', resolve)
    call.on('error', (error: ServiceError) => reject(new DaemonCallError(method, error)))
    const silenceMs = method === 'Prune' ? pruneMs : answerMs
    await limited({method, call, outcome: promise, heard, silenceMs}, clock, signal)
  }
  return {
    ready: async (deadlineMs, signal) => void (await unary('Info', {}, deadlineMs, signal)),
    history: async (signal) => {
      const events: HistoryEvent[] = []
      await stream('ListenBuildHistory', {EarlyExit: true}, (event: HistoryEvent) => events.push(event), signal)
      return events
    },
    status: async (ref, each, signal) => await stream('Status', {Ref: ref}, each, signal),
    deleteRecord: async (ref, signal) =>
      void (await unary('UpdateBuildHistory', {Ref: ref, Delete: true}, answerMs, signal)),
    usage: async (signal) => {
      const {record} = (await unary('DiskUsage', {}, measureMs, signal)) as {record: readonly {Size: number}[]}
      return {
        bytes: record.reduce((sum, {Size}) => sum + Size, 0),
        records: record.filter(({Size}) => Size > 0).length,
      }
    },
    prune: async (maxUsedSpace, signal) =>
      await stream('Prune', {all: true, maxUsedSpace}, () => undefined, signal).catch((error: unknown) => {
        if (!(error instanceof DaemonCallError && error.late)) throw error
      }),
    close: () => client.close(),
  }
}
