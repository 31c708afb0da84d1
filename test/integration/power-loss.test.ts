import {mkdir, readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {createSparse} from '@hearth/agent/host/image'
import {attachLoop} from '@hearth/agent/host/loop'
import {closePool, openPool} from '@hearth/agent/host/pool'
import {PoolContentError} from '@hearth/agent/host/pool-places'
import {cloneFile} from '@hearth/agent/host/reflink'
import {run} from '@hearth/agent/host/run'
import {makeXfs} from '@hearth/agent/host/xfs'
import type {Observed} from '@hearth/proto/agent-message'
import type {Desired} from '@hearth/proto/fleet-message'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import type {BuilderOnAgent} from '../support/builder-on-agent.ts'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

// A host loses its power: what its disk held at that moment is a copy of the disk's file, taken in one step (reflink) while builds write. An
// agent boots on the copy.

const gibibyte = 1024 ** 3
const steps = ['RUN echo some >/some', 'RUN dd if=/dev/urandom of=/bytes bs=64k count=100']
/** Writes without end, in many files. */
const busy = [
  'RUN i=0; while true; do i=$((i+1)); dd if=/dev/urandom of=/f$i bs=16k count=20 2>/dev/null; echo wrote $i; done',
]

type Lost = {
  readonly image: string
  readonly wanted: Pick<Desired, 'builders' | 'copies' | 'generations'>
  readonly told: Observed
}

describe.skipIf(unprivileged())('a host that loses its power', () => {
  let directory: TestDirectory
  let rig: AgentRig | null = null
  const signal = new AbortController().signal
  const outer = () => join(directory.path, 'outer')
  beforeEach(async () => {
    directory = await makeTestDirectory()
    await mkdir(outer())
    await createSparse(`${outer()}.img`, 24 * gibibyte)
    await makeXfs(`${outer()}.img`, {reflink: true, run, signal})
    await mountFile(`${outer()}.img`, outer())
    await createSparse(`${outer()}/disk.img`, 6 * gibibyte)
    await run(['mkfs.ext4', '-q', '-m', '0', `${outer()}/disk.img`], signal)
  })
  afterEach(async () => {
    await rig?.close().catch(() => undefined) // what a failed test left
    rig = null
    await directory.remove()
  })

  const mountFile = async (file: string, at: string) => {
    await mkdir(at, {recursive: true})
    await run(['mount', await attachLoop(file, {run, log, signal}), at], signal)
  }
  /** A machine with that disk. */
  const boot = async (name: string, disk: string, reboot?: {readonly bootId: string; readonly term: number}) => {
    const place = {...directory, path: join(directory.path, name), remove: async () => undefined}
    await mountFile(disk, place.path)
    rig = await makeAgentRig(reboot ? {reboot} : {}, place)
    return rig
  }
  const shutDown = async () => {
    const closing = rig?.close()
    rig = null
    await closing
  }
  const losses: Lost[] = []
  const losePower = async ({fleet}: AgentRig) => {
    const image = `${outer()}/lost-${losses.length}.img`
    const told = fleet.observed as Observed // before, so that the disk must know all of it
    await cloneFile(`${outer()}/disk.img`, image)
    losses.push({image, wanted: fleet.wanted, told})
  }

  it('has all that was reported, rolls back the rest, and the next build succeeds on what was sealed', async () => {
    losses.length = 0
    const on = await boot('first', `${outer()}/disk.img`)
    const a = await on.launch()
    expect(await a.buildOnce(...steps)).toMatchObject({state: 'succeeded'})
    expect(await a.terminate('g-1' as GenerationId)).toMatchObject({clean: true, generation: 'g-1'})
    await losePower(on)
    const origin = {filesystem: a.copy}
    const ask = (generation: string): BuilderOnAgent =>
      on.ask({cloneOf: {generation: generation as GenerationId, ...origin}})
    const starting = ask('g-1')
    await losePower(on)
    await starting.ready()
    const writing = await starting.buildOnLease(...steps, ...busy)
    await writing.says('wrote 2')
    for (let loss = 0; loss < 3; loss++) {
      await sleep(50 + Math.random() * 700)
      await losePower(on)
    }
    starting.cancel('enough')
    await writing.ended
    const releasing = starting.terminate('g-2' as GenerationId)
    await sleep(Math.random() * 150)
    await losePower(on)
    expect(await releasing).toMatchObject({clean: true})
    await losePower(on)
    starting.forget()
    await shutDown()

    for (const [index, {image, wanted, told}] of losses.entries()) {
      const again = await boot(`again-${index}`, image, {bootId: `boot ${index}`, term: 2})
      const {fleet, directory: place} = again
      const ended = new Set(told.builders.flatMap(({builder, released}) => (released ? [builder] : [])))
      const unended = wanted.builders.filter(({builder}) => !ended.has(builder)) // as a fleet that was told of it would list
      const over = unended.map((each) => ({
        ...each,
        lease: null,
        want: 'terminated' as const,
        reason: 'its host restarted',
      }))
      fleet.want({...wanted, builders: over})
      // Whatever ran is over, and made nothing. (The note of it may be lost with the power: then it was never started.)
      for (const {builder} of unended) {
        const released = await fleet.until(`the end of ${builder} after loss ${index}`, ({builders}) => {
          return builders.find((each) => each.builder === builder)?.released ?? undefined
        })
        if (released.generation !== null)
          expect(released, `loss ${index}`).toMatchObject({clean: true, generation: 'g-2'})
      }
      const observed = await fleet.until('its volumes', (each) => (each.generations.length > 0 ? each : undefined))
      const here = observed.generations.map(({generation}) => generation)
      for (const {generation} of told.generations) expect(here, `loss ${index}`).toContain(generation)
      const files = await readdir(join(place.path, 'state/pool'), {recursive: true})
      expect(files.filter((name) => name.endsWith('.part'))).toEqual([])
      fleet.want({...wanted, builders: []})
      for (const generation of here) {
        const next = await again.launch({cloneOf: {generation, ...origin}})
        const built = await next.buildOnce(...steps)
        expect(built, `loss ${index}, ${generation}`).toMatchObject({state: 'succeeded', steps: {cached: 4, total: 4}})
        expect(await next.terminate()).toMatchObject({clean: true})
        next.forget()
      }
      await shutDown()
    }
    expect(losses.length).toBe(7)
  }, 300_000)

  it('with a pool file that was copied bit by bit while it was written: used, or refused with the way out', async () => {
    const on = await boot('first', `${outer()}/disk.img`)
    const a = await on.launch()
    const writing = await a.buildOnLease(...busy)
    await writing.says('wrote 2')
    const torn = join(directory.path, 'torn')
    await mkdir(torn)
    // reads only what is written, piece by piece
    const from = `${on.directory.path}/state/pool.img`
    await run(['cp', '--reflink=never', '--sparse=always', from, `${torn}/pool.img`], signal)
    a.cancel('enough')
    await writing.ended
    await shutDown()
    try {
      const {volumes} = await openPool({stateDirectory: torn, run, log, signal})
      expect(await readdir(join(volumes, 'copies'))).toEqual([`${a.copy}.img`])
      await closePool({stateDirectory: torn, run, signal})
    } catch (error) {
      expect(error).toBeInstanceOf(PoolContentError)
      expect(error).toMatchObject({message: expect.stringMatching(/can't be mounted: .*xfs_repair .*start again/)})
    }
    expect(await readdir(torn)).toContain('pool.img')
  }, 120_000)
})
