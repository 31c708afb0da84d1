import {randomUUID} from 'node:crypto'
import {join} from 'node:path'
import {openRuntime, type RealRuntime, type RuntimeOptions} from '@hearth/agent/builder/real-runtime'
import {architectureOf} from '@hearth/agent/host/facts'
import {createSparse} from '@hearth/agent/host/image'
import {attachLoop, detachLoop, opensExclusively} from '@hearth/agent/host/loop'
import {run} from '@hearth/agent/host/run'
import {makeXfs} from '@hearth/agent/host/xfs'
import type {BuilderId} from '@hearth/proto/ids'
import {realClock} from '@hearth/proto/real-clock'
import {makeBuildClient} from '../support/build-client.ts'
import {daemonOf, signalDaemon} from '../support/builders.ts'
import {makeContext} from '../support/hearth.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tools} from '../support/tools.ts'
import {tracesOf} from '../support/traces.ts'
import type {BuildKind, RigClient, RuntimeRig} from './runtime-rig.ts'

const signal = new AbortController().signal
const hello = 'RUN echo hello from a step'
const contexts: Readonly<Record<BuildKind, readonly string[]>> = {
  succeeds: [hello],
  fails: [`${hello} && exit 7`],
  hangs: [`${hello} && sleep 600`],
  outOfMemory: [
    'RUN --mount=type=tmpfs,target=/memory echo filling && dd if=/dev/zero of=/memory/all bs=1M count=2000',
  ],
}

/** The real thing: buildkitd in its namespaces, on XFS on a loop device, and buildctl. Needs root. */
export const makeRealRuntimeRig = async (): Promise<RuntimeRig> => {
  const directory = await makeTestDirectory()
  const runtimeDir = join(directory.path, 'run')
  const builders: BuilderId[] = []
  const images: string[] = []
  const opened: RealRuntime[] = []
  return {
    open: async ({clockBehindMs = 0} = {}) => {
      const runtime = await openAt(runtimeDir, {clock: {...realClock, now: () => realClock.now() - clockBehindMs}})
      opened.push(runtime)
      return runtime
    },
    newBuilder: () => {
      const builder = `test-${randomUUID().slice(0, 13)}` as BuilderId
      builders.push(builder)
      return builder
    },
    newDevice: async (content = 'empty') => {
      const image = join(directory.path, `volume-${images.length}`)
      images.push(image)
      await createSparse(image, 2 * 1024 ** 3)
      if (content === 'empty') await makeXfs(image, {reflink: false, run, signal})
      return await attachLoop(image, {run, log, signal})
    },
    isFree: opensExclusively,
    newClient: () => clientIn(directory),
    crash: async (builder) => await signalDaemon(builder, 'SIGKILL'),
    freeze: async (builder) => await signalDaemon(builder, 'SIGSTOP'),
    leaveFrozen: async (builder) => {
      const {pid} = await daemonOf(builder)
      await run(['nsenter', `--mount=/proc/${pid}/ns/mnt`, 'fsfreeze', '--freeze', '/run/cache'], signal)
    },
    close: async () => {
      for (const runtime of opened) await putAway(runtime)
      for (const image of images) await detachLoop(image, {run, signal})
      const traces = await tracesOf({path: directory.path, runtimeDir, builders})
      await directory.remove()
      if (traces.length > 0) throw new Error(`this is left:\n${traces.join('\n')}`)
    },
  }
}

/** `more` replaces what a host would be opened with. */
export const openAt = async (runtimeDir: string, more: Partial<RuntimeOptions> = {}): Promise<RealRuntime> =>
  await openRuntime(
    {
      runtimeDir,
      tools,
      advertise: {address: '127.0.0.1', serverName: 'hearth-builder'},
      architecture: architectureOf(process.arch),
      portRange: null,
      dnsFallback: [],
      registries: {},
      bootId: 'this boot',
      network: {subnet: '10.214.0.0/16', deny: []},
      spares: 0,
      answerMs: 5000,
      frozenAtMostSeconds: 1,
      killedMs: 15_000,
      run,
      log,
      clock: realClock,
      ...more,
    },
    signal,
  )

const putAway = async (runtime: RealRuntime): Promise<void> => {
  for (const {builder} of await runtime.list(new Set(), signal)) {
    await runtime.stop(builder, 10_000, signal)
    await runtime.remove(builder, signal)
  }
  await runtime.release(signal)
}

const clientIn = (directory: TestDirectory): RigClient => {
  const client = makeBuildClient(directory, tools.buildctl)
  return {
    publicKey: client.publicKey,
    connects: async (to, certificatePem) =>
      await client.reach({...to, certificatePem}).then(
        () => true,
        () => false,
      ),
    build: async (to, certificatePem, kind) => {
      const context = await makeContext(directory, kind, contexts[kind])
      const build = await client.build({...to, certificatePem}, context)
      const lastStep = build.says(kind === 'outOfMemory' ? 'filling' : 'hello from a step\n')
      lastStep.catch(() => undefined) // a step that was cached says nothing
      return {
        succeeded: build.ended.then(({code}) => code === 0),
        lastStep,
        killClient: async () => await build.kill(),
      }
    },
  }
}
