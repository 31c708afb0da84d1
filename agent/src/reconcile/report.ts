import type {Hello, Observed} from '@hearth/proto/agent-message'
import type {BuilderId, CopyId} from '@hearth/proto/ids'
import type {
  BuilderPhase,
  HostUsage,
  ObservedBuilder,
  ObservedCheckpoint,
  ObservedCopy,
  ObservedGeneration,
} from '@hearth/proto/observed'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {Journal, JournalBuilder} from '../store/journal.ts'

// What this host tells the fleet: made anew from the journal and from what was seen; nothing is remembered for it.

export type Seen = {
  /** The desired state that was known before the look: what was told meanwhile may not show in it yet. */
  readonly applied: Journal['applied']
  readonly builders: ReadonlyMap<BuilderId, SeenBuilder>
  readonly attached: ReadonlySet<CopyId>
  /** Of attached copies that can't be used any more, why. */
  readonly failed: ReadonlyMap<CopyId, string>
  readonly copies: readonly ObservedCopy[]
  readonly generations: readonly ObservedGeneration[]
  readonly usage: HostUsage
  /** Builders whose present lease has had a client connected. */
  readonly everConnected: ReadonlySet<BuilderId>
}
/** Fixed for the life of this agent. */
export type Identity = Omit<Hello, 'type' | 'builders'>

export const helloMessage = (identity: Identity, journal: Journal, seen: Seen): Hello => ({
  type: 'hello',
  ...identity,
  builders: journal.builders().map((row) => observedBuilder(row, seen)),
})

export const observedMessage = (journal: Journal, seen: Seen): Observed => ({
  type: 'observed',
  term: seen.applied?.term ?? null,
  revision: seen.applied?.revision ?? null,
  builders: journal.builders().map((row) => observedBuilder(row, seen)),
  copies: [...seen.copies],
  generations: [...seen.generations],
  usage: seen.usage,
})

const observedBuilder = (row: JournalBuilder, seen: Seen): ObservedBuilder => {
  const {builder, desired, lease} = row
  const running = seen.builders.get(builder)
  const usable = running?.running === true && row.startDone
  return {
    builder,
    project: desired.project,
    architecture: desired.architecture,
    trust: desired.trust,
    copy: desired.copy,
    epoch: desired.epoch,
    phase: phaseOf(row, running, seen.attached.has(desired.copy)),
    endpoints: usable ? [...running.endpoints] : [],
    caPem: usable ? running.caPem : null,
    lease: lease && {
      build: lease.build,
      lease: lease.lease,
      certificates: [...lease.certificates],
      connections: running?.connections ?? 0,
      everConnected: seen.everConnected.has(builder),
    },
    outcomes: [...row.outcomes],
    fault: row.fault,
    timingsMs: row.timingsMs,
    usedBytes: row.usedBytes,
    checkpoint: observedCheckpoint(row),
    released: row.released,
  }
}

const observedCheckpoint = ({checkpoint}: JournalBuilder): ObservedCheckpoint | null => {
  if (!checkpoint || checkpoint.state === 'freezing' || checkpoint.state === 'dropped') return null
  const {generation, state, reason} = checkpoint
  return {generation, state, reason}
}

/** A builder's phase, from its journal row and what the kernel shows. A released one is `detaching` until it is forgotten. */
export const phaseOf = (row: JournalBuilder, seen: SeenBuilder | undefined, attached: boolean): BuilderPhase => {
  if (row.released) return row.released.clean ? 'detaching' : 'dirty'
  if (row.fault?.code === 'stuck') return 'stuck'
  const ending = row.desired.want === 'terminated' || row.fault !== null || row.leftClean !== null
  if (ending) return endingPhase(row, seen)
  if (seen?.running && row.startDone) {
    if (!row.listed) return 'unclaimed'
    return row.lease ? 'building' : 'warm'
  }
  return row.startIntended || attached ? 'starting' : 'attaching'
}

const endingPhase = (row: JournalBuilder, seen: SeenBuilder | undefined): BuilderPhase => {
  if (seen?.running) return 'stopping'
  return row.leftClean && !row.leftClean.clean ? 'dirty' : 'detaching'
}
