import {setTimeout as sleep} from 'node:timers/promises'
import type {Cache} from '@hearth/proto/api'
import {FakeRandom} from '@hearth/proto/fake-clock'
import {type Hearth, lastBuild, makeContext} from '../support/hearth.ts'
import type {Started} from '../support/program.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type Ground, type MakeGround, pick} from './ground.ts'

// Rounds of: a build; kill -9 at a random moment of it, or after it; the next build, at once. All with the programs as they are.

export type Round = {
  readonly round: number
  readonly victim: string
  readonly afterMs: number
  /** From the moment that the killed program was started again, or was killed where it is not, until the next build had its builder. */
  readonly startMs: number
  readonly code: number | null
  /** How many sealed generations are lost: the head before the kill, less what the next build started from. */
  readonly generationsLost: number
  /** Steps of the next build that any generation holds, and that it did not find. */
  readonly stepsLost: number
  readonly said: string
}
export type Loop = {
  readonly rounds: readonly Round[]
  readonly left: readonly string[]
  readonly downCode: number | null
}

const project = 'web'
const steady = [
  'RUN echo one >/one',
  'RUN echo two >/two',
  'RUN dd if=/dev/urandom of=/bytes bs=64k count=64 2>/dev/null',
]
/** With the COPY and the RUN that go before them. */
const steadyCount = steady.length + 2
const mostDelayMs = 2_000

export type LoopOptions = {
  readonly rounds: number
  readonly seed: number
  readonly makeGround: MakeGround
  readonly onRound: (round: Round) => void
}

export const crashLoop = async (options: LoopOptions): Promise<Loop> => {
  const directory = await makeTestDirectory()
  try {
    const random = new FakeRandom(options.seed)
    const ground = await options.makeGround(directory, random)
    const rounds = await loop(ground, directory, random, options).catch(async (error: unknown) => {
      await ground.stop()
      throw error
    })
    const {code, left} = await ground.stop()
    return {rounds, left, downCode: code}
  } finally {
    await directory.remove()
  }
}

const loop = async (
  {hearth, victims}: Ground,
  directory: TestDirectory,
  random: FakeRandom,
  options: LoopOptions,
): Promise<readonly Round[]> => {
  const contextOf = async (round: number) =>
    await makeContext(directory, `round-${round}`, [...steady, `RUN echo ${round} >/round; sleep 0.3`])
  await succeed(hearth.start('build', await contextOf(0), '--project', project))
  const rounds: Round[] = []
  for (let round = 1; round <= options.rounds; round++) {
    const first = hearth.start('build', await contextOf(round), '--project', project)
    const next = await contextOf(round)
    const afterMs = Math.round(random.number() * mostDelayMs)
    await sleep(afterMs)
    const victim = pick(victims, random)
    const before = await headOf(hearth)
    const killedAt = performance.now()
    const startedAt = (await victim.kill()) ?? killedAt
    rounds.push({round, victim: victim.name, afterMs, ...(await buildNext(hearth, next, {before, startedAt}))})
    await first.ended // whatever became of it, it ends
    options.onRound(rounds.at(-1) as Round)
  }
  return rounds
}

type Next = Pick<Round, 'startMs' | 'code' | 'generationsLost' | 'stepsLost' | 'said'>

const buildNext = async (
  hearth: Hearth,
  context: string,
  {before, startedAt}: {readonly before: number | null; readonly startedAt: number},
): Promise<Next> => {
  const next = hearth.start('build', context, '--project', project)
  const startMs = await next.said(/ · (this host|h1) · /).then(
    () => performance.now() - startedAt,
    () => Infinity,
  )
  const {code, stderr} = await next.ended
  const build = await lastBuild(hearth)
  const lease = build.leases[0]
  const from = lease?.cache.from ?? 0
  const isWarm = lease?.warm ?? false
  return {
    startMs,
    code,
    generationsLost: isWarm ? 0 : Math.max(0, (before ?? 0) - from),
    stepsLost: before === null ? 0 : Math.max(0, steadyCount - (lease?.steps?.cached ?? 0)),
    said: stderr,
  }
}

/** The number of the generation from which builds start; null: there is none yet. */
const headOf = async (hearth: Hearth): Promise<number | null> => {
  const caches = await hearth.json<readonly Cache[]>('caches')
  return caches.find((cache) => cache.project === project)?.head?.number ?? null
}

const succeed = async (build: Started): Promise<void> => {
  const {code, stderr} = await build.ended
  if (code !== 0) throw new Error(`the first build failed: ${stderr}`)
}
