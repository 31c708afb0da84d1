import {cloneName} from '../checkpoint/plan.ts'
import type {Journal, JournalBuilder, JournalCheckpoint} from '../store/journal.ts'
import type {Execute, ExecutorDeps} from './executor.ts'
import {BuilderInUseError, BuilderStuckError} from './runtime.ts'

// A generation of a builder that is idle but goes on. What is written first says that its volume may be frozen, so that an agent that
// comes after this one thaws it.

export const checkpoint: Execute<'checkpoint'> = async ({generation}, {row}, deps, signal) => {
  const {journal, volumes, runtime, random} = deps
  const {builder} = row
  if (row.checkpoint?.state === 'freezing') await runtime.thaw(builder, signal)
  const known = row.checkpoint?.generation === generation ? row.checkpoint : null
  const begun = known ?? {generation, state: 'dropped', reason: null, records: null, clone: cloneName(random.uuid())}
  note(journal, row, {...begun, state: 'dropped'})
  await requireIdle(row, deps, signal)
  // an earlier act may have made the generation, of a cache that had fewer
  const records = Math.min(await runtime.cacheRecords(builder, signal), begun.records ?? Infinity)
  note(journal, row, {...begun, records, state: 'freezing'})
  const thawed = {how: Promise.resolve<unknown>(null)}
  const freeze = async <Result>(act: () => Promise<Result>): Promise<Result> => {
    const frozen = runtime.whileFrozen(
      builder,
      async () => {
        await requireIdle(row, deps, signal) // now whoever comes can't write: so nobody was writing when it froze
        return await act()
      },
      signal,
    )
    thawed.how = frozen.catch((error: unknown) => error)
    return await frozen
  }
  try {
    await volumes.checkpoint(row.desired.copy, generation, freeze, signal)
  } catch (error) {
    const cause = await thawed.how
    if (cause instanceof BuilderStuckError) throw cause // and it stays `freezing`
    note(journal, row, {...begun, records, state: 'dropped'})
    throw error
  }
  note(journal, row, {...begun, records, state: 'made'})
}

export const thaw: Execute<'thaw'> = async (_action, {row}, {journal, runtime}, signal) => {
  await runtime.thaw(row.builder, signal)
  if (row.checkpoint) note(journal, row, {...row.checkpoint, state: 'dropped'})
}

/** It is not made, and not tried again by this agent. */
export const giveUpCheckpoint = (journal: Journal, {builder}: JournalBuilder, reason: string): void => {
  const row = journal.builders().find((each) => each.builder === builder)
  if (row?.checkpoint) note(journal, row, {...row.checkpoint, state: 'failed', reason})
}

const note = (journal: Journal, {builder}: JournalBuilder, what: JournalCheckpoint): void =>
  journal.update(builder, {checkpoint: what})

/** A client of an earlier lease may have come late. */
const requireIdle = async ({builder}: JournalBuilder, {runtime}: ExecutorDeps, signal: AbortSignal): Promise<void> => {
  const {active} = await runtime.records(builder, signal)
  const seen = (await runtime.list(new Set([builder]), signal)).find((each) => each.builder === builder)
  if (active > 0 || (seen?.connections ?? 0) > 0)
    throw new BuilderInUseError(`builder ${builder} has a client: its volume is not frozen now`)
}
