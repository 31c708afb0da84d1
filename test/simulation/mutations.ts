/** A guard that is taken out: each `from` stands just once in its file. `seed`: a life that showed it once, and is tried first. */
export type Mutation = {readonly name: string; readonly seed: number; readonly edits: readonly Edit[]}
export type Edit = {readonly file: string; readonly from: string; readonly to: string}

const edit = (file: string, from: string, to: string): Edit => ({file, from, to})
const plan = 'agent/src/reconcile/plan.ts'
const executor = 'agent/src/builder/executor.ts'
const exit = 'agent/src/builder/exit.ts'
const lease = 'agent/src/builder/lease.ts'
const place = 'fleet/src/scheduler/place.ts'
const grant = 'fleet/src/scheduler/grant.ts'
const builds = 'fleet/src/builds/builds.ts'
const board = 'fleet/src/scheduler/board.ts'
const release = 'fleet/src/volumes/release.ts'
const decide = 'fleet/src/volumes/decide.ts'
const promotion = 'fleet/src/volumes/promotion/decide.ts'

export const mutations: readonly Mutation[] = [
  // on the host
  {
    name: 'an epoch that is over is not refused',
    seed: 2,
    edits: [edit(executor, 'if (!journal.claimEpoch(', 'if (false && !journal.claimEpoch(')],
  },
  {
    name: 'an epoch outlives the boot of its host',
    seed: 2,
    edits: [edit('agent/src/agent.ts', 'bootId: identity.bootId', "bootId: ''")],
  },
  {
    name: 'a builder ends because the list lacks it',
    seed: 4,
    edits: [
      edit(plan, '(!row.listed && (idle.get(row.builder)?.forMs ?? 0) >= policy.unclaimedAfterMs)', '!row.listed'),
    ],
  },
  {
    name: 'a build ends because the list lacks its lease',
    seed: 180,
    edits: [edit(plan, 'connections === 0 ? {type', 'connections !== 999 ? {type')],
  },
  {
    name: 'a dirty stop is sealed',
    seed: 8,
    edits: [edit(exit, 'if (missing.length === 0) return', 'if (missing.length < 9) return')],
  },
  {
    name: 'a stop without a last word is sealed',
    seed: 2,
    edits: [
      edit(
        exit,
        "if (!exit) return {clean: false, reason: row.fault?.message ?? 'its",
        "if (!exit) return {clean: true, reason: row.fault?.message ?? 'its",
      ),
    ],
  },
  {
    name: 'a start is not written down before it is made',
    seed: 2,
    edits: [edit(executor, 'journal.update(builder, {startIntended: true})', '')],
  },
  {
    name: 'connections stay open after the end of a lease',
    seed: 1,
    edits: [edit(lease, '  await runtime.closeConnections(builder, signal)\n  await keepLog', '  await keepLog')],
  },
  {
    name: 'records of one lease are left for the next',
    seed: 2,
    edits: [
      edit(
        lease,
        'await runtime.forgetRecords(builder, signal)\n  journal.update(builder, {lease: null',
        'journal.update(builder, {lease: null',
      ),
      edit(lease, 'if (active + records.length > 0) await', 'if (false) await'),
    ],
  },
  {
    name: 'a build that runs is not waited for when its client says that it is done',
    seed: 3,
    edits: [edit(lease, 'return records.active === 0 || insist ? records : null', 'return records')],
  },
  {
    name: 'a release is forgotten before the fleet has heard of it',
    seed: 28,
    edits: [edit(plan, "return row.listed ? null : {type: 'forget'}", "return {type: 'forget'}")],
  },
  {
    name: 'a client is gone as soon as it is not connected',
    seed: 2,
    edits: [edit(plan, 'forMs >= (everConnected ? policy.clientGoneMs : policy.clientNeverSeenMs)', 'true')],
  },
  {
    name: 'orphans are left alone',
    seed: 3,
    edits: [edit(plan, '    ...orphans(input, verification),\n', '')],
  },
  {
    name: 'a clone on which a checkpoint was verified stays',
    seed: 10,
    edits: [edit('agent/src/checkpoint/plan.ts', "copy[14] === '8'", 'copy === undefined')],
  },
  // in the fleet
  {
    name: 'a checkpoint becomes the head before it is verified',
    seed: 10,
    edits: [edit('fleet/src/volumes/checkpoint/checkpoint.ts', " || state === 'made') return", ') return')],
  },
  {
    name: 'a builder is leased twice',
    seed: 1,
    edits: [
      edit('fleet/src/scheduler/schedule.ts', "core.links.isBusy(builder) ? 'busy' : 'idle'", "'idle'"),
      edit(
        grant,
        "if (!builder || builder.lease || builder.want !== 'ready') return",
        "if (!builder || builder.want !== 'ready') return",
      ),
    ],
  },
  {
    name: 'a build has the outcome that its client says',
    seed: 2,
    edits: [
      edit(
        builds,
        '    await change.putLease({...lease, finishing: true})',
        "    await endLease(change, lease, 'outcome', {outcome: 'succeeded', reason: null})",
      ),
      edit(builds, "import {cancelLease} from './lease.ts'", "import {cancelLease, endLease} from './lease.ts'"),
    ],
  },
  {
    name: 'the same key makes another build',
    seed: 3,
    edits: [
      edit(
        'fleet/src/builds/create.ts',
        'if (known) return await sameBuild(',
        'if (known && false) return await sameBuild(',
      ),
    ],
  },
  {
    name: 'a copy that was released dirty is free',
    seed: 2,
    edits: [
      edit(
        release,
        'if (clean && !builder.failed && generation !== null && generation === builder.seal) {',
        'if (builder.seal !== null) {',
      ),
      edit(release, 'seal: generation}', 'seal: builder.seal}'),
    ],
  },
  {
    name: 'an abandoned copy is used again',
    seed: 2,
    edits: [edit(decide, "copy.state === 'free' && copy.from", "copy.state !== 'deleting' && copy.from")],
  },
  {
    name: 'a copy in shared storage is deleted without its fence',
    seed: 3,
    edits: [
      edit('fleet/src/storage/decide.ts', "state === 'deleting' && fence !== 'due'", "state === 'deleting'"),
      edit('fleet/src/storage/decide.ts', "filter(({fence}) => fence === 'due')", 'filter(() => false)'),
      edit('fleet/src/volumes/sweep.ts', "copy.fence === 'due'", 'false'),
      edit(
        'fleet/src/storage/fake.ts',
        'this.#requireClosed(copy, StaleLockError)\n      if (this.copies.delete',
        'if (this.copies.delete',
      ),
    ],
  },
  {
    name: 'a copy in shared storage that was given up is sealed',
    seed: 51,
    edits: [
      edit(release, "copy?.state === 'attached' && generation", 'generation'),
      edit(release, "if (copy.state !== 'attached')", 'if (false)'),
    ],
  },
  {
    name: 'what was never started is sealed in shared storage',
    seed: 5,
    edits: [edit(release, 'isFit && generation === builder.seal', 'clean && !builder.failed && builder.seal')],
  },
  {
    name: 'a build is given again what its builder did not start on',
    seed: 1,
    edits: [edit(decide, ' && !avoid.includes(each.id))', ')')],
  },
  {
    name: 'a bad generation stays the head',
    seed: 1,
    edits: [edit('fleet/src/volumes/heal/heal.ts', 'if (!volume || unusable.length === 0) return', 'return')],
  },
  {
    name: 'a generation is blamed for a fault of its host',
    seed: 8,
    edits: [edit('fleet/src/hosts/observed.ts', 'unusable.includes(fault.code) && ', '')],
  },
  {
    name: 'the epoch of a copy does not grow',
    seed: 2,
    edits: [edit(grant, 'epoch: (copy.epoch + 1) as Epoch', 'epoch: 1 as Epoch')],
  },
  {
    name: 'a cordoned host gets builds',
    seed: 14,
    edits: [edit('fleet/src/scheduler/explain.ts', "if (!schedulable) return 'cordoned'", '')],
  },
  {
    name: 'a lease ends twice',
    seed: 3,
    edits: [
      edit(
        'fleet/src/builds/transition.ts',
        'ended: {placed: null, ready: null, outcome: null,',
        "ended: {placed: null, ready: null, outcome: ['ended', 'record'],",
      ),
    ],
  },
  {
    name: 'a cache from before a reset becomes the head',
    seed: 44,
    edits: [edit(promotion, 'if (volume.line !== candidate.line)', 'if (false)')],
  },
  {
    name: 'an untrusted build changes the cache',
    seed: 2,
    edits: [
      edit(release, "if (builder.trust === 'untrusted')", 'if (false)'),
      edit(grant, "seal: trust === 'trusted' ?", 'seal: true ?'),
    ],
  },
  {
    name: 'a build changes the head of a pinned cache',
    seed: 59,
    edits: [edit(promotion, "if (pinned) return 'the cache is pinned'", '')],
  },
  {
    name: 'an untrusted token makes trusted builds',
    seed: 2,
    edits: [edit('fleet/src/builds/create.ts', "by.trust === 'untrusted' ?", 'false ?')],
  },
  {
    name: 'the builder of an untrusted build stays warm, and serves the next',
    seed: 1,
    edits: [
      edit(place, "if (lease.trust === 'untrusted') return null", ''),
      edit(place, "usable && trust === 'trusted' &&", 'usable &&'),
      edit(
        grant,
        "if (builder.trust !== lease.trust || (builder.trust === 'untrusted'",
        "if (false && (builder.trust === 'untrusted'",
      ),
      edit('fleet/src/builds/lease.ts', "if (trust === 'untrusted') return 'an untrusted build has ended'", ''),
    ],
  },
  {
    name: 'builders of an earlier fleet take no slots',
    seed: 4,
    edits: [edit(board, 'known.slots - known.foreign - this', 'known.slots - this')],
  },
  {
    name: 'a builder that ends takes no slot any more',
    seed: 2,
    edits: [
      edit(
        board,
        'this.buildersOn(host).length) : 0',
        "this.buildersOn(host).filter(({use}) => use !== 'terminating').length) : 0",
      ),
    ],
  },
  {
    name: 'an agent that is ahead of the store is not outranked',
    seed: 4,
    edits: [edit('fleet/src/hosts/agents.ts', '    await outrank(change, agent.host, message)\n', '')],
  },
  {
    name: 'what is decided is told before it is committed',
    seed: 3,
    edits: [
      edit(
        'fleet/src/act.ts',
        'tx.afterCommit(() => publish(change, messages, settled))',
        'publish(change, messages, settled)',
      ),
    ],
  },
  {
    name: 'deadlines are computed from the clock on the wall',
    seed: 1,
    edits: [
      edit('fleet/src/change.ts', 'this.now = core.clock.monotonic()', 'this.now = core.clock.now()'),
      edit('fleet/src/core.ts', 'new Links(clock.monotonic(),', 'new Links(clock.now(),'),
    ],
  },
  {
    name: 'a drain does not wait for its deadline',
    seed: 10,
    edits: [
      edit('fleet/src/hosts/drain.ts', 'if (leftMs === 0 && lease.cancel === null)', 'if (lease.cancel === null)'),
    ],
  },
]
