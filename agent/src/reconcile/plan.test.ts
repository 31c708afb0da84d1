import type {BuilderId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {JournalBuilder} from '../store/journal.ts'
import {anyInput, clones} from './fake-input.ts'
import {type Action, type BuilderAction, type PlanInput, plan} from './plan.ts'

type Case<Type extends BuilderAction['type']> = {
  readonly act: Extract<BuilderAction, {type: Type}>
  readonly row: JournalBuilder
  readonly world: PlanInput
}

const always = (look: (world: PlanInput) => void) => fc.assert(fc.property(anyInput, look), {numRuns: 2000})

const seenOf = ({row, world}: {row: JournalBuilder; world: PlanInput}) => world.seen.get(row.builder)
const runs = (each: {row: JournalBuilder; world: PlanInput}) => seenOf(each)?.running === true
const idleMs = ({row, world}: {row: JournalBuilder; world: PlanInput}) => world.idle.get(row.builder)?.forMs ?? 0
const isHeld = ({row, world}: {row: JournalBuilder; world: PlanInput}) =>
  world.builders.some(
    ({builder, desired, released}) => builder !== row.builder && desired.copy === row.desired.copy && !released,
  )
const copyOf = ({row, world}: {row: JournalBuilder; world: PlanInput}) =>
  world.desiredCopies.find(({copy}) => copy === row.desired.copy)

/** Someone wants it ended, it has failed, it has ended already, or nobody has claimed it for long. */
const hasReasonToEnd = (each: {row: JournalBuilder; world: PlanInput}) => {
  const {desired, fault, leftClean, listed} = each.row
  const unclaimed = !listed && idleMs(each) >= each.world.policy.unclaimedAfterMs
  return desired.want === 'terminated' || fault !== null || leftClean !== null || unclaimed
}
const isSuspect = ({row, world}: {row: JournalBuilder; world: PlanInput}) => world.suspects.has(row.builder)
const hasFailed = (each: {row: JournalBuilder; world: PlanInput}) => {
  const {row, world} = each
  const isGone = runs(each) && row.startDone && !world.attached.has(row.desired.copy)
  return row.attachIntended && (isGone || world.failed.has(row.desired.copy))
}
const mayStart = (each: {row: JournalBuilder; world: PlanInput}) =>
  !hasReasonToEnd(each) &&
  !hasFailed(each) &&
  !each.row.startIntended &&
  each.row.listed &&
  !runs(each) &&
  !isHeld(each)

/** When each act is right: what it would lose, double or leave behind at any other time. */
const isRight: {readonly [Type in BuilderAction['type']]: (each: Case<Type>) => boolean} = {
  createCopy: (each) => {
    const {act, row, world} = each
    const isNew = row.desired.epoch === 1 && !world.copies.has(row.desired.copy)
    const canBeMade = act.copy.from === null || world.generations.has(act.copy.from)
    return mayStart(each) && isNew && canBeMade && act.copy === copyOf(each)
  },
  attach: (each) =>
    mayStart(each) &&
    each.world.copies.has(each.row.desired.copy) &&
    !(each.row.attachIntended && each.world.attached.has(each.row.desired.copy)) &&
    each.act.filesystem === copyOf(each)?.filesystem,
  start: (each) => mayStart(each) && each.row.attachIntended && each.world.attached.has(each.row.desired.copy),
  adopt: (each) => !hasReasonToEnd(each) && !hasFailed(each) && runs(each) && !each.row.startDone,
  openLease: (each) => {
    const {startDone, listed, lease, desired, outcomes} = each.row
    const isOver = outcomes.some((outcome) => outcome.lease === desired.lease?.lease)
    const isAwaited = listed && !lease && desired.lease !== null && !isOver
    return !hasReasonToEnd(each) && runs(each) && startDone && isAwaited && !isSuspect(each) && !hasFailed(each)
  },
  endLease: (each) => {
    const {act, row, world} = each
    const {everConnected = false} = world.idle.get(row.builder) ?? {}
    const patience = everConnected ? world.policy.clientGoneMs : world.policy.clientNeverSeenMs
    const isGone = seenOf(each)?.connections === 0 && idleMs(each) >= patience
    const isForgotten = row.listed && row.desired.lease?.lease !== row.lease?.lease
    const other = isForgotten && seenOf(each)?.connections === 0
    const isCancelled = row.listed && !isForgotten && row.desired.lease?.cancel !== null
    const isUnwanted = hasReasonToEnd(each) || other || isCancelled
    const goesOn = row.lease !== null && row.lease.ended === null
    if (act.force !== null) return goesOn && isUnwanted
    const isSaid = row.listed && row.desired.lease?.finishing === true
    return goesOn && (act.clientGone ? isGone && !isSaid : isSaid)
  },
  closeLease: ({row}) => row.lease !== null && row.lease.ended !== null,
  tidy: (each) => {
    const {startDone, listed, lease, desired, outcomes, tidyDue, prunedForRoom} = each.row
    const isAwaited = desired.lease !== null && !outcomes.some((outcome) => outcome.lease === desired.lease?.lease)
    const isWanted = tidyDue || (each.world.lacksRoom && !prunedForRoom)
    const isDue = listed && isWanted && lease === null && !isAwaited && idleMs(each) >= 1000
    return !hasReasonToEnd(each) && runs(each) && startDone && isDue && !isSuspect(each) && !hasFailed(each)
  },
  checkpoint: (each) => {
    const {startDone, listed, lease, desired, outcomes, tidyDue, checkpoint} = each.row
    const isAwaited = desired.lease !== null && !outcomes.some((outcome) => outcome.lease === desired.lease?.lease)
    const isIdle = listed && !tidyDue && lease === null && !isAwaited && idleMs(each) >= 1000
    const isAnswered = ['made', 'verified', 'failed'].includes(checkpoint?.state ?? '')
    const isOpen =
      desired.checkpoint === each.act.generation && !(isAnswered && checkpoint?.generation === desired.checkpoint)
    return !hasReasonToEnd(each) && runs(each) && startDone && isIdle && isOpen && !isSuspect(each) && !hasFailed(each)
  },
  thaw: ({row}) => row.checkpoint?.state === 'freezing',
  fail: (each) => {
    const {row, world, act} = each
    const reasons: Record<string, boolean> = {
      'builder-died': row.startIntended,
      'builder-panicked': row.startIntended && row.startDone,
      unclaimed: !row.listed,
      'copy-unknown': !copyOf(each),
      'copy-missing': !world.copies.has(row.desired.copy) && row.desired.epoch > 1,
      'generation-missing': !world.generations.has(copyOf(each)?.from ?? ('' as never)),
    }
    if (hasReasonToEnd(each)) return false
    if (hasFailed(each)) return act.fault.code === 'volume-failed'
    if (runs(each)) return act.fault.code === 'disk-full' && row.listed && row.lease === null && isSuspect(each)
    return reasons[act.fault.code] === true
  },
  stop: (each) => hasReasonToEnd(each) && runs(each) && each.row.lease === null,
  noteExit: (each) => hasReasonToEnd(each) && !runs(each) && each.row.lease === null && each.row.leftClean === null,
  detach: ({row, world}) =>
    !runs({row, world}) && row.leftClean !== null && row.lease === null && row.attachIntended && !row.detached,
  release: ({act, row, world}) => {
    const isProven = !runs({row, world}) && row.leftClean !== null && (row.detached || !row.attachIntended)
    return isProven && act.seal === (row.leftClean?.clean && row.startDone ? row.desired.seal : null)
  },
  remove: ({row, world}) => row.released !== null && world.seen.has(row.builder),
  forget: ({row, world}) => row.released !== null && !row.listed && !world.seen.has(row.builder),
}

const actsOf = (world: PlanInput) =>
  plan(world).flatMap((action) => {
    if (action.on !== 'builder') return []
    return [{act: action.do, row: rowOf(world, action.builder), world}]
  })
const rowOf = (world: PlanInput, builder: BuilderId) =>
  world.builders.find((each) => each.builder === builder) as JournalBuilder

describe('plan', () => {
  it('does each thing only when it is right', () => {
    const done = new Set<string>()
    always((world) => {
      for (const each of actsOf(world)) {
        const judge = isRight[each.act.type] as (each: Case<BuilderAction['type']>) => boolean
        expect(judge(each), JSON.stringify({act: each.act, row: each.row})).toBe(true)
        expect(each.row.released !== null).toBe(each.act.type === 'remove' || each.act.type === 'forget')
        const mayBeFrozen = each.row.checkpoint?.state === 'freezing' && !each.row.released
        if (mayBeFrozen) expect(['thaw', 'checkpoint']).toContain(each.act.type)
        done.add(each.act.type)
      }
    })
    expect([...done].toSorted()).toEqual(Object.keys(isRight).toSorted())
  })

  it('gives each thing at most one action', () => {
    always((world) => {
      const keys = plan(world).map((action) =>
        JSON.stringify({...action, do: undefined, on: action.on.replace('orphanCopy', 'deleteCopy')}),
      )
      expect(new Set(keys).size).toBe(keys.length)
    })
  })

  it('takes away only what no builder holds and no one wants', () => {
    always((world) => {
      const now = plan(world).find((each) => each.on === 'verification')
      for (const action of plan(world)) {
        if (action.on === 'orphan') {
          expect(world.builders.map(({builder}) => builder)).not.toContain(action.builder)
          expect(now?.verifier).not.toBe(action.builder)
        }
        if (action.on === 'orphanCopy' || action.on === 'deleteCopy') {
          const holder = world.builders.find(({desired, released}) => desired.copy === action.copy && !released)
          expect(holder).toBeUndefined()
          expect(now?.clone.copy).not.toBe(action.copy)
          expect(world.attached.has(action.copy)).toBe(action.on === 'orphanCopy')
        }
        if (action.on !== 'deleteCopy' || clones.includes(action.copy)) continue
        expect(world.desiredCopies.find(({copy}) => copy === action.copy)?.want).toBe('absent')
      }
    })
  })

  it.each([
    ['builder', false],
    ['lease', true],
  ])('leaves a builder and its client alone when no list names its %s', (_what, listed) => {
    always((world) => {
      const forgotten = world.builders.map(
        (each): JournalBuilder => ({
          ...each,
          ...{listed, fault: null, leftClean: null, released: null, startDone: true},
          desired: {...each.desired, want: 'ready', lease: listed ? null : each.desired.lease},
          lease: each.lease && {...each.lease, ended: null},
          ...{tidyDue: false, prunedForRoom: true, checkpoint: null},
        }),
      )
      const attached = new Set(world.builders.map(({desired}) => desired.copy))
      const sound = {idle: new Map(), suspects: new Map(), failed: new Map(), attached}
      for (const connections of [1, null]) {
        const seen = new Map([...world.seen].map(([builder, each]) => [builder, {...each, connections}]))
        const acts = actsOf({...world, builders: forgotten, seen, ...sound})
        expect(acts.filter(runs).map(({act}) => act)).toEqual([])
      }
    })
  })

  it('goes on until all is as it should be, wherever it begins', () => {
    always((begin) => {
      let world = begin
      for (let round = 0; plan(world).length > 0; round++) {
        expect(round, JSON.stringify(plan(world))).toBeLessThan(20)
        for (const action of plan(world)) world = after(world, action)
      }
      const held = new Set(world.builders.filter(({released}) => !released).map(({desired}) => desired.copy))
      expect([...world.attached].filter((copy) => !held.has(copy))).toEqual([])
      expect([...world.copies].filter((copy) => clones.includes(copy))).toEqual([])
      const known = world.builders.map(({builder}) => builder)
      expect([...world.seen.keys()].filter((builder) => !known.includes(builder))).toEqual([])
      for (const row of world.builders) {
        const each = {row, world}
        const isReady = !row.released && row.startDone && runs(each)
        const waits = !row.released && !runs(each) && isHeld(each) && !hasReasonToEnd(each)
        const isOver = row.released !== null && row.listed && !world.seen.has(row.builder)
        expect([isReady, waits, isOver].filter(Boolean), JSON.stringify(row)).toHaveLength(1)
      }
    })
  })
})

/** The host after an action that succeeded. */
const after = (world: PlanInput, action: Action): PlanInput => {
  const without = <K, V>(map: ReadonlyMap<K, V>, key: K) => new Map([...map].filter(([each]) => each !== key))
  const less = <T>(set: ReadonlySet<T>, item: T) => new Set([...set].filter((each) => each !== item))
  switch (action.on) {
    case 'verification': {
      const {builder} = action
      const builders = world.builders.map((row) =>
        row.builder === builder && row.checkpoint
          ? {...row, checkpoint: {...row.checkpoint, state: 'verified' as const}}
          : row,
      )
      const {copy} = action.clone
      return {
        ...world,
        builders,
        copies: new Set([...world.copies, copy]),
        attached: new Set([...world.attached, copy]),
      }
    }
    case 'orphan':
      return {...world, seen: without(world.seen, action.builder)}
    case 'orphanCopy':
      return {...world, attached: less(world.attached, action.copy)}
    case 'deleteCopy':
      return {...world, copies: less(world.copies, action.copy)}
    case 'deleteGeneration':
      return {...world, generations: less(world.generations, action.generation)}
    case 'builder':
      return afterAct(world, rowOf(world, action.builder), action.do)
  }
}

const afterAct = (world: PlanInput, row: JournalBuilder, act: BuilderAction): PlanInput => {
  const {builder, desired} = row
  const noted = (change: Partial<JournalBuilder>): PlanInput => ({
    ...world,
    builders: world.builders.map((each) => (each.builder === builder ? {...each, ...change} : each)),
  })
  const shown = (running: boolean | null) => {
    const rest = [...world.seen].filter(([each]) => each !== builder)
    const base = {builder, endpoints: [], caPem: null, exit: null, leftovers: true, connections: 0}
    return new Map(running === null ? rest : [...rest, [builder, {...base, running}] as const])
  }
  switch (act.type) {
    case 'createCopy':
      return {...world, copies: new Set([...world.copies, act.copy.copy])}
    case 'attach':
      return {...noted({attachIntended: true}), attached: new Set([...world.attached, desired.copy])}
    case 'start':
      return {...noted({startIntended: true, startDone: true}), seen: shown(true)}
    case 'adopt':
      return noted({startDone: true})
    case 'openLease':
      return noted({lease: {...(desired.lease as NonNullable<typeof desired.lease>), certificates: [], ended: null}})
    case 'endLease': {
      const lease = row.lease as NonNullable<typeof row.lease>
      const none = {reason: null, steps: null, failedStep: null, buildMs: null, exportMs: null}
      const outcome = {...none, build: lease.build, lease: lease.lease, state: 'succeeded' as const}
      return noted({lease: {...lease, ended: {refs: []}}, outcomes: [outcome]})
    }
    case 'closeLease':
      return noted({lease: null})
    case 'tidy':
      return noted({tidyDue: false, prunedForRoom: world.lacksRoom})
    case 'checkpoint': {
      const made = {generation: act.generation, state: 'made' as const, reason: null, records: 1}
      return noted({checkpoint: {...made, clone: row.checkpoint?.clone ?? ('' as never)}})
    }
    case 'thaw':
      return noted({checkpoint: row.checkpoint && {...row.checkpoint, state: 'dropped'}})
    case 'fail':
      return noted({fault: act.fault})
    case 'stop':
      return {...world, seen: shown(false)}
    case 'noteExit':
      return noted({leftClean: {clean: true, reason: ''}})
    case 'detach':
      return {
        ...noted({detached: true}),
        attached: new Set([...world.attached].filter((copy) => copy !== desired.copy)),
        failed: new Map([...world.failed].filter(([copy]) => copy !== desired.copy)),
      }
    case 'release':
      return noted({released: {clean: true, reason: '', generation: act.seal}})
    case 'remove':
      return {...world, seen: shown(null)}
    case 'forget':
      return {...world, builders: world.builders.filter((each) => each.builder !== builder)}
  }
}
