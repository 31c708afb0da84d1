import type {BuilderRuntime, BuilderSpec, SeenBuilder, StartedBuilder} from '@hearth/agent/builder/runtime'
import type {BuilderId, ProjectId} from '@hearth/proto/ids'

/**
 * One Dockerfile each, the same every time, of two steps or more. `succeeds` and `fails` say `hello from a step` in one of them.
 * `fails`: the last one exits with 7. `hangs`: the last one runs until it is ended. `outOfMemory`: the last one asks for more than
 * the builder's limit.
 */
export type BuildKind = 'succeeds' | 'fails' | 'hangs' | 'outOfMemory'

/** One run of a client's program. */
export type RigBuild = {
  /** Whether it said that the build succeeded, once it has ended. */
  readonly succeeded: Promise<boolean>
  /** Resolves when the last step runs. */
  readonly lastStep: Promise<void>
  /** Ends the client without a word, as a closed laptop does. */
  killClient(): Promise<void>
}
/** A client with a key of its own; `certificatePem` is null for one that shows none. */
export type RigClient = {
  readonly publicKey: string
  /** Whether a builder answers on a connection with this certificate. */
  connects(to: StartedBuilder, certificatePem: string | null): Promise<boolean>
  build(to: StartedBuilder, certificatePem: string, kind: BuildKind): Promise<RigBuild>
}

export type RuntimeRig = {
  /** An agent's view; a second one is an agent that restarted. `clockBehindMs`: how late its wall clock is. */
  open(options?: {readonly clockBehindMs?: number}): Promise<BuilderRuntime>
  /** A name that no builder has had. */
  newBuilder(): BuilderId
  /** An attached volume of its own; `blank`: nothing can mount it. */
  newDevice(content?: 'empty' | 'blank'): Promise<string>
  /** Whether nobody has the device mounted. */
  isFree(device: string): Promise<boolean>
  newClient(): RigClient
  /** Ends a builder's daemon at once, as a crash does. */
  crash(builder: BuilderId): Promise<void>
  /** Makes a builder's daemon deaf: it goes on, but answers nothing, not even a signal to end. */
  freeze(builder: BuilderId): Promise<void>
  /** Freezes its volume as an agent does that dies while it holds it, with whatever was to thaw it. */
  leaveFrozen(builder: BuilderId): Promise<void>
  /** Ends all, and throws if anything of a removed builder is left. */
  close(): Promise<void>
}

export type World = () => {readonly rig: RuntimeRig; readonly runtime: BuilderRuntime}

export const signal = new AbortController().signal
const mebibyte = 1024 * 1024

export const specOf = (builder: BuilderId, device: string): BuilderSpec => ({
  builder,
  project: 'p-1' as ProjectId,
  device,
  limits: {cpuWeight: 100, memoryBytes: 512 * mebibyte},
  maxUsedSpaceBytes: 1024 * mebibyte,
})

/** A builder that runs, on a volume of its own if no device is given, and a client that may build on it. */
export const startOne = async ({rig, runtime}: ReturnType<World>, onDevice?: string) => {
  const builder = rig.newBuilder()
  const device = onDevice ?? (await rig.newDevice())
  const started = await runtime.start(specOf(builder, device), signal)
  const client = rig.newClient()
  const certify = async (by = runtime): Promise<string> => {
    const [certificate] = await by.certify(builder, [client.publicKey], signal)
    if (!certificate) throw new Error(`builder ${builder} gave no certificate`)
    return certificate.certificatePem
  }
  const build = async (kind: BuildKind) => await client.build(started, await certify(), kind)
  return {builder, started, device, client, certify, build}
}

/** All builders, without a look at their connections. */
export const listAll = async (runtime: BuilderRuntime): Promise<readonly SeenBuilder[]> =>
  await runtime.list(new Set(), signal)

/** One builder, with its connections. */
export const seenOf = async (runtime: BuilderRuntime, builder: BuilderId): Promise<SeenBuilder | undefined> =>
  (await runtime.list(new Set([builder]), signal)).find((each) => each.builder === builder)

export const end = async (runtime: BuilderRuntime, builder: BuilderId): Promise<void> => {
  await runtime.stop(builder, 30_000, signal)
  await runtime.remove(builder, signal)
}
