import {createFakeRuntime} from '@hearth/agent/builder/fake'
import {FakeBuilders} from '@hearth/agent/builder/fake-builders'
import type {FakeConnection} from '@hearth/agent/builder/fake-daemon'
import type {StartedBuilder} from '@hearth/agent/builder/runtime'
import {createFakeVolumes} from '@hearth/agent/volume/fake'
import {FakeDisk} from '@hearth/agent/volume/fake-disk'
import type {BuilderId, CopyId, Epoch} from '@hearth/proto/ids'
import {realClock as clock} from '@hearth/proto/real-clock'
import {expect} from 'vitest'
import {type RigClient, type RuntimeRig, signal} from './runtime-rig.ts'
import {desired} from './volumes-rig.ts'

export const makeFakeRuntimeRig = async (): Promise<RuntimeRig> => {
  const disk = new FakeDisk()
  const volumes = createFakeVolumes({disk})
  const builders = new FakeBuilders({address: 'host', disk, clock, frozenAtMostMs: 100})
  let made = 0
  return {
    open: async ({clockBehindMs = 0} = {}) =>
      createFakeRuntime({builders, answerMs: 50, clock: {...clock, now: () => clock.now() - clockBehindMs}}),
    newBuilder: () => `builder-${made++}` as BuilderId,
    newDevice: async (content = 'empty') => {
      const copy = `00000000-0000-4000-8000-${String(made++).padStart(12, '0')}` as CopyId
      await volumes.create(desired(copy), signal)
      const request = {copy, epoch: 1 as Epoch, filesystem: copy, mayFormat: true, onFormat: () => undefined}
      const {device} = await volumes.attach(request, signal)
      const on = disk.copies.get(copy)
      if (content === 'blank' && on) on.image.content = 'blank'
      return device
    },
    isFree: async (device) =>
      [...disk.copies.values()].every(
        (on) => on.attachment?.device !== device || (on.holders.size === 0 && on.freeze === null),
      ),
    newClient: () => clientOf(builders, `key-${made++}`),
    crash: async (builder) => builders.all.get(builder)?.daemon?.crash(),
    freeze: async (builder) => builders.all.get(builder)?.daemon?.freeze(),
    leaveFrozen: async (builder) => void disk.freeze(builders.all.get(builder)?.daemon?.spec.device ?? ''),
    close: async () => {
      for (const {daemon} of builders.all.values()) daemon?.kill()
      expect([...disk.copies.values()].flatMap(({holders}) => [...holders])).toEqual([])
    },
  }
}

const clientOf = (builders: FakeBuilders, publicKey: string): RigClient => {
  const connect = ({endpoints, caPem}: StartedBuilder, certificatePem: string | null): FakeConnection =>
    builders.connect(endpoints[0]?.port ?? 0, {caPem, certificatePem, publicKey})
  let builds = 0
  return {
    publicKey,
    connects: async (to, certificatePem) => {
      try {
        connect(to, certificatePem).end('client')
        return true
      } catch {
        return false
      }
    },
    build: async (to, certificatePem, kind) => {
      const connection = connect(to, certificatePem)
      const lastStep = Promise.withResolvers<void>()
      const steps = [
        {name: 'hello', ms: 1},
        {name: `the last, which ${kind}`, ms: 1},
      ]
      const ended = connection.solve({ref: `${publicKey}-${builds++}`, steps, end: kind, onLastStep: lastStep.resolve})
      return {
        succeeded: ended
          .then((state) => state === 'succeeded')
          .catch(() => false)
          .finally(() => connection.end('client')),
        lastStep: lastStep.promise,
        killClient: async () => connection.end('client'),
      }
    },
  }
}
