import type {DesiredBuilder, DesiredCopy} from '@hearth/proto/desired'
import type {Desired} from '@hearth/proto/fleet-message'
import type {
  BuilderId,
  BuildId,
  CopyId,
  Epoch,
  GenerationId,
  LeaseId,
  ProjectId,
  Revision,
  Term,
} from '@hearth/proto/ids'
import {realClock as clock, realRandom as random} from '@hearth/proto/real-clock'
import {beforeEach, describe, expect, it} from 'vitest'
import {silentLog as log} from '../../../test/support/silent-log.ts'
import type {BuilderAction} from '../reconcile/plan.ts'
import {type Journal, journalIn, openDatabase} from '../store/journal.ts'
import {createFakeVolumes} from '../volume/fake.ts'
import {FakeDisk} from '../volume/fake-disk.ts'
import {execute} from './executor.ts'
import {createFakeRuntime} from './fake.ts'
import {FakeBuilders} from './fake-builders.ts'
import {noTrouble} from './fake-daemon.ts'
import {BuilderStartError} from './runtime.ts'
import {verify} from './verification.ts'

const signal = new AbortController().signal
const builder = 'b-1' as BuilderId
const copy = '00000000-0000-4000-8000-000000000001' as CopyId
const lease = 'l-1' as LeaseId
const publicKey = 'key'
const desired: DesiredBuilder = {
  ...{builder, project: 'p' as ProjectId, architecture: 'amd64', trust: 'trusted', copy, epoch: 1 as Epoch},
  limits: {cpuWeight: 100, memoryBytes: 2 ** 29},
  maxUsedSpaceBytes: 10_000,
  lease: {build: 'x-1' as BuildId, lease, clients: [publicKey], finishing: false, cancel: null},
  ...{want: 'ready', reason: 'idle', seal: null},
}
const desiredCopy: DesiredCopy = {
  ...{copy, project: 'p' as ProjectId, architecture: 'amd64', from: null, filesystem: copy, sizeBytes: 2 ** 30},
  want: 'present',
}

describe('execute', () => {
  let journal: Journal
  let disk: FakeDisk
  let builders: FakeBuilders
  /** What happens at each point at which an act can fail. */
  let step: (at: string) => Promise<void>
  beforeEach(() => {
    journal = journalIn(openDatabase(':memory:'))
    disk = new FakeDisk()
    builders = new FakeBuilders({address: 'host', disk, clock})
    step = async () => undefined
    full = null
    missingBytes = 0
    want({})
  })

  let full: string | null
  let missingBytes = 0
  let revision = 0
  const want = (change: Partial<DesiredBuilder>) => {
    const said: Desired = {
      ...{type: 'desired', term: 1 as Term, revision: ++revision as Revision, drain: null},
      builders: [{...desired, ...change}],
      ...{copies: [desiredCopy], generations: []},
    }
    journal.apply(said)
  }
  const row = () => journal.builders()[0] as NonNullable<ReturnType<Journal['builders']>[0]>
  const runtime = () => createFakeRuntime({builders, answerMs: 20, step: (at) => step(at)})
  const volumes = () => createFakeVolumes({disk, step: (at) => step(at)})
  const act = async (action: BuilderAction, attempt = 1, bootId = 'boot') => {
    const seen = (await createFakeRuntime({builders}).list(new Set([builder]), signal))[0]
    await execute(action, {row: row(), seen, attempt}, depsAt(bootId), signal)
  }
  const depsAt = (bootId: string) => {
    const policy = {stopDeadlineMs: 1000, bootId, diskFull: async () => full, missingBytes: async () => missingBytes}
    return {journal, volumes: volumes(), runtime: runtime(), clock, random, log, ...policy}
  }
  const failAt = (point: string, error: Error) => {
    step = async (at) => {
      if (at === point) throw error
    }
  }
  const start = async () => {
    await act({type: 'createCopy', copy: desiredCopy})
    await act({type: 'attach', filesystem: copy})
    await act({type: 'start'})
  }
  const connect = () => {
    const found = builders.all.get(builder)
    const certificatePem = row().lease?.certificates[0]?.certificatePem ?? null
    return builders.connect(found?.endpoints[0]?.port ?? 0, {caPem: found?.caPem ?? '', certificatePem, publicKey})
  }
  const build = async (end: 'succeeds' | 'fails' | 'hangs', ref = 'r-1') => {
    const begun = Promise.withResolvers<void>()
    const steps = ['a', 'b', 'c'].map((name) => ({name, ms: 1}))
    const solved = connect().solve({ref, steps, end, onLastStep: begun.resolve})
    solved.catch(() => undefined)
    await begun.promise
    if (end !== 'hangs') await solved
  }
  const endLease = (more: {force?: string; clientGone?: boolean} = {}) =>
    act({type: 'endLease', force: more.force ?? null, clientGone: more.clientGone ?? false})

  it('writes down what it intends before it does it', async () => {
    await act({type: 'createCopy', copy: desiredCopy})
    const died = new Error('the agent died here')
    failAt('attach:begin', died)
    await expect(act({type: 'attach', filesystem: copy})).rejects.toBe(died)
    expect(row()).toMatchObject({attachIntended: true, startIntended: false, fault: null})
    expect(journal.claimEpoch(copy, 1 as Epoch, 'another')).toBe(false)
    step = async () => undefined
    await act({type: 'attach', filesystem: copy})
    failAt('start:begin', died)
    await act({type: 'start'})
    expect(row()).toMatchObject({startIntended: true, startDone: false, fault: {message: died.message}})
    expect(row().timingsMs).toEqual({attach: expect.any(Number)})
  })

  it('formats a copy once, and notes it before', async () => {
    await act({type: 'createCopy', copy: desiredCopy})
    await act({type: 'attach', filesystem: copy})
    expect(journal.wasFormatted(copy)).toBe(true)
    await volumes().detach(copy, signal)
    const image = disk.copies.get(copy)?.image
    if (image) image.content = 'blank'
    await act({type: 'attach', filesystem: copy})
    expect(row().fault).toMatchObject({code: 'VolumeContentError'})
  })

  it('does not attach under an epoch of an earlier boot: what was done under it may not have been written down', async () => {
    await act({type: 'createCopy', copy: desiredCopy})
    await act({type: 'attach', filesystem: copy})
    await act({type: 'attach', filesystem: copy}, 1, 'the next boot')
    expect(row().fault).toMatchObject({code: 'EpochFencedError'})
  })

  it('does not attach under an epoch that is over', async () => {
    await act({type: 'createCopy', copy: desiredCopy})
    journal.claimEpoch(copy, 2 as Epoch, 'another')
    await act({type: 'attach', filesystem: copy})
    expect(row()).toMatchObject({attachIntended: false, fault: {code: 'EpochFencedError'}})
    expect(await volumes().list(signal)).toEqual([])
  })

  it('starts nothing on a copy that is not attached', async () => {
    await act({type: 'start'})
    expect(row()).toMatchObject({startIntended: false, fault: null})
    expect(builders.all.size).toBe(0)
  })

  it('knows of a builder that it adopts that its volume must be detached and its end be proven', async () => {
    await start()
    const {desired: wanted} = row()
    journal.forget(builder)
    want(wanted)
    await act({type: 'adopt'})
    expect(row()).toMatchObject({attachIntended: true, startIntended: true, startDone: true})
    builders.all.get(builder)?.daemon?.crash()
    await new Promise((resolve) => builders.all.get(builder)?.daemon?.gone.addEventListener('abort', resolve))
    await act({type: 'noteExit'})
    expect(row().leftClean?.clean).toBe(false)
  })

  it('opens a lease with nothing of a client of the last one that came late', async () => {
    await start()
    await act({type: 'openLease'})
    await act({type: 'endLease', force: null, clientGone: true})
    await act({type: 'closeLease'})
    const {caPem, endpoints} = builders.all.get(builder) ?? expect.fail('it is gone')
    const [given] = await runtime().certify(builder, [publicKey], signal)
    const connect = () =>
      builders.connect(endpoints[0]?.port ?? 0, {
        caPem: caPem ?? '',
        certificatePem: given?.certificatePem ?? null,
        publicKey,
      })
    await connect().solve({ref: 'late', steps: [{name: 'a', ms: 1}], end: 'succeeds'})
    const later = connect().solve({ref: 'later', steps: [{name: 'b', ms: 1}], end: 'hangs'})
    want({lease: {...(desired.lease as NonNullable<typeof desired.lease>), lease: 'l-2' as LeaseId}})
    await act({type: 'openLease'})
    await expect(later).rejects.toThrow('ended by the agent')
    const {records} = await runtime().records(builder, signal)
    expect(records.map(({ref}) => ref)).not.toContain('late')
  })

  it('opens a lease with a certificate for each client', async () => {
    await start()
    await act({type: 'openLease'})
    expect(row().lease).toMatchObject({lease, ended: null, certificates: [{publicKey}]})
  })

  it('opens none on a daemon that hangs', async () => {
    await start()
    builders.all.get(builder)?.daemon?.freeze()
    await act({type: 'openLease'})
    expect(row()).toMatchObject({lease: null, fault: {code: 'BuilderSilentError'}})
  })

  it('ends a lease with what the record says, and only then puts it away', async () => {
    await start()
    await act({type: 'openLease'})
    await build('fails')
    await endLease()
    expect(row().outcomes).toMatchObject([{lease, state: 'failed', failedStep: {exitCode: 7}}])
    expect(row().lease?.ended).toEqual({refs: ['r-1']})
    expect((await runtime().records(builder, signal)).records).toHaveLength(1)
    await act({type: 'closeLease'})
    expect(row()).toMatchObject({lease: null, tidyDue: true})
    expect((await runtime().records(builder, signal)).records).toEqual([])
    expect(journal.nextLog()).toMatchObject({lease, text: expect.stringContaining('r-1')})
  })

  it('blames the disk, not the copy, where a builder does not start on a full one', async () => {
    full = 'the disk of its host is full'
    failAt('start:half', new BuilderStartError('buildkitd did not start'))
    await start()
    expect(row().fault).toEqual({code: 'disk-full', message: `${full} (buildkitd did not start)`})
  })

  it('does not blame a build that failed on a full disk', async () => {
    await start()
    await act({type: 'openLease'})
    await build('fails')
    full = 'the disk of its host is full'
    await endLease()
    expect(row().outcomes).toMatchObject([{lease, state: 'infrastructure', reason: full}])
  })

  it('lets a build go on whose client spoke too early', async () => {
    await start()
    await act({type: 'openLease'})
    await build('hangs')
    await endLease()
    expect(row()).toMatchObject({outcomes: [], lease: {ended: null}})
    await endLease({force: 'drained'})
    expect(row().outcomes).toMatchObject([{state: 'cancelled', reason: 'drained'}])
  })

  it('calls a daemon that hangs failed, and asks it no more', async () => {
    await start()
    await act({type: 'openLease'})
    await build('hangs')
    builders.all.get(builder)?.daemon?.freeze()
    await endLease({clientGone: true})
    expect(row()).toMatchObject({outcomes: [], fault: {code: 'BuilderSilentError'}})
    await endLease({force: 'it hangs'})
    expect(row().outcomes).toMatchObject([{state: 'infrastructure', reason: 'it hangs'}])
    await act({type: 'closeLease'})
    expect(row()).toMatchObject({lease: null, tidyDue: false})
  })

  it('calls a build that someone cancelled cancelled, even if its builder failed', async () => {
    await start()
    await act({type: 'openLease'})
    await build('hangs')
    journal.update(builder, {fault: {code: 'c', message: 'it hangs'}})
    const {lease: wanted} = desired
    want({lease: wanted && {...wanted, cancel: 'by ann'}})
    await endLease({force: 'it hangs'})
    expect(row().outcomes).toMatchObject([{state: 'cancelled', reason: 'by ann'}])
  })

  it('prunes what is over its budget, and notes what is left', async () => {
    await start()
    await act({type: 'openLease'})
    await build('succeeds')
    want({maxUsedSpaceBytes: 5000})
    journal.update(builder, {tidyDue: true})
    const before = await runtime().usedBytes(builder, signal)
    await act({type: 'tidy'})
    expect(row().tidyDue).toBe(false)
    expect(row().usedBytes).toBeLessThan(before)
    expect(row().usedBytes).toBe(await runtime().usedBytes(builder, signal))
  })

  it('prunes further for want of room, once after each build, and gives back what was freed', async () => {
    await start()
    await act({type: 'openLease'})
    await build('succeeds')
    const held = await runtime().usedBytes(builder, signal)
    missingBytes = held
    const did: string[] = []
    step = async (at) => void did.push(at)
    await act({type: 'tidy'})
    expect(row()).toMatchObject({prunedForRoom: true, tidyDue: false})
    expect(row().usedBytes).toBeLessThanOrEqual(held / 2)
    expect(did).toContain('trim:done')
    failAt('trim:begin', new Error('no discard here'))
    await act({type: 'tidy'})
    expect(row().fault).toBeNull()
    await endLease({})
    await act({type: 'closeLease'})
    expect(row()).toMatchObject({prunedForRoom: false, tidyDue: true})
  })

  describe('a checkpoint', () => {
    const generation = 'g-7' as GenerationId
    const make = (attempt = 1) => act({type: 'checkpoint', generation}, attempt)
    const begin = async () => {
      await start()
      await act({type: 'openLease'})
      await build('succeeds')
      await endLease()
      await act({type: 'closeLease'})
    }
    const isFrozen = () => disk.copies.get(copy)?.freeze !== null

    it('is made of an idle builder, which goes on', async () => {
      await begin()
      await make()
      expect(row().checkpoint).toMatchObject({generation, state: 'made', records: 3})
      expect([...disk.generations.keys()]).toEqual([generation])
      expect(isFrozen()).toBe(false)
      await act({type: 'openLease'})
      await build('succeeds', 'r-2')
    })

    it('is not made under a client that came late', async () => {
      await begin()
      await act({type: 'openLease'})
      const late = connect()
      await expect(make()).rejects.toMatchObject({name: 'BuilderInUseError'})
      await expect(make(9)).rejects.toMatchObject({name: 'BuilderInUseError'})
      expect(row()).toMatchObject({checkpoint: {state: 'dropped'}, fault: null})
      late.end('client')
      await make()
      expect(row().checkpoint?.state).toBe('made')
    })

    it('that an agent did not live to end is thawed by the next, and made later', async () => {
      await begin()
      const died = new Promise<void>(() => undefined)
      const frozen = Promise.withResolvers<void>()
      step = async (at) => {
        if (at !== 'checkpoint:half') return
        frozen.resolve()
        await died
      }
      void make()
      await frozen.promise
      expect(isFrozen()).toBe(true)
      expect(row().checkpoint?.state).toBe('freezing')
      step = async () => undefined
      await act({type: 'thaw'})
      expect(isFrozen()).toBe(false)
      expect(row().checkpoint?.state).toBe('dropped')
      await make()
      expect(row().checkpoint?.state).toBe('made')
    })

    const clone = '00000000-0000-4000-8000-0000000000c1' as CopyId
    const verifier = 'v-g-7' as BuilderId
    const tryOut = async (attempt = 1) => {
      const cloned = {...desiredCopy, copy: clone, from: generation}
      await verify({on: 'verification', builder, generation, verifier, clone: cloned}, attempt, depsAt('boot'), signal)
    }

    it('is verified by a daemon of its own, which ends in order', async () => {
      await begin()
      await make()
      await tryOut()
      expect(row().checkpoint).toMatchObject({state: 'verified', reason: null})
      expect(builders.all.get(verifier)?.daemon).toMatchObject({state: 'ended', exit: {lockGone: true}})
      expect(builders.all.get(builder)?.daemon?.state).toBe('serving')
    })

    it('that lacks what its builder has is of no use', async () => {
      await begin()
      await make()
      disk.generations.get(generation)?.blocks.delete('step b')
      await tryOut()
      expect(row()).toMatchObject({checkpoint: {state: 'failed', reason: /found 2 of 3 cache entries/}, fault: null})
    })

    it('on which no daemon starts is of no use', async () => {
      await begin()
      await make()
      builders.trouble = {...noTrouble, startFault: 'invalid database'}
      await tryOut()
      expect(row()).toMatchObject({checkpoint: {state: 'failed', reason: /invalid database/}, fault: null})
    })

    it('that has gone is of no use', async () => {
      await begin()
      await make()
      disk.generations.clear()
      await tryOut()
      expect(row().checkpoint).toMatchObject({state: 'failed', reason: expect.stringContaining(generation)})
    })

    it('is verified on a new clone after an agent has died half-way', async () => {
      await begin()
      await make()
      const reached = Promise.withResolvers<void>()
      step = async (at) => {
        if (at !== 'cacheRecords:begin') return
        reached.resolve()
        await new Promise(() => undefined)
      }
      void tryOut()
      await reached.promise
      step = async () => undefined
      const image = disk.copies.get(clone)?.image
      await tryOut()
      expect(row().checkpoint?.state).toBe('verified')
      expect(disk.copies.get(clone)?.image).not.toBe(image)
    })

    it('is not to blame for what goes wrong around it, until that goes on for long', async () => {
      await begin()
      await make()
      failAt('create:half', new Error('the disk is full'))
      for (const attempt of [1, 2]) await expect(tryOut(attempt)).rejects.toThrow('the disk is full')
      expect(row().checkpoint?.state).toBe('made')
      await tryOut(3)
      expect(row().checkpoint).toMatchObject({state: 'failed', reason: 'the disk is full'})
    })

    it('that fails is given up with its reason, and its builder goes on', async () => {
      await begin()
      failAt('checkpoint:half', new Error('the disk is full'))
      for (const attempt of [1, 2]) await expect(make(attempt)).rejects.toThrow('the disk is full')
      await make(3)
      expect(row()).toMatchObject({checkpoint: {state: 'failed', reason: 'the disk is full'}, fault: null})
      expect(isFrozen()).toBe(false)
    })
  })

  it('tries what failed again, and gives it up with its reason', async () => {
    failAt('create:begin', new Error('the disk is full'))
    for (const attempt of [1, 2])
      await expect(act({type: 'createCopy', copy: desiredCopy}, attempt)).rejects.toThrow('the disk is full')
    expect(row().fault).toBeNull()
    await act({type: 'createCopy', copy: desiredCopy}, 3)
    expect(row().fault).toEqual({code: 'Error', message: 'the disk is full'})
  })

  it('gives up a cache that can not be sealed, and releases its builder as dirty', async () => {
    await start()
    await act({type: 'stop'})
    await act({type: 'noteExit'})
    await act({type: 'detach'})
    expect(row()).toMatchObject({leftClean: {clean: true, reason: 'idle'}, detached: true})
    failAt('seal:half', new Error('the disk is full'))
    const release = {type: 'release', seal: 'g-1' as GenerationId} as const
    await expect(act(release, 4)).rejects.toThrow('the disk is full')
    await act(release, 5)
    expect(row()).toMatchObject({released: null, leftClean: {clean: false, reason: /could not be sealed: the disk/}})
    await act({type: 'release', seal: null})
    expect(row().released).toMatchObject({clean: false, generation: null})
  })
})
