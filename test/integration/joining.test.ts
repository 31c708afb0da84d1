import {X509Certificate} from 'node:crypto'
import {mkdtemp, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {forgetIdentity, type HostIdentity, hostIdentity, renewIdentity} from '@hearth/agent/channel/real-join'
import {keepRenewed} from '@hearth/agent/channel/real-renewal'
import {type Journal, openJournal} from '@hearth/agent/store/journal'
import {certificateRequest, type Rig, startRig, until} from '@hearth/fleet/api/real-rig'
import {openAuthority} from '@hearth/fleet/auth/real-authority'
import {parseToken} from '@hearth/proto/ca-pin'
import {messageExamples} from '@hearth/proto/examples'
import {FakeClock} from '@hearth/proto/fake-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {silentLog} from '../support/silent-log.ts'

// A host's identity, from its side, against the fleet's real server.

const dayMs = 86_400_000

let rig: Rig
let stateDir: string
let journal: Journal
let asked: number
beforeEach(async () => {
  rig = await startRig()
  stateDir = await mkdtemp(join(tmpdir(), 'hearth-joining-'))
  journal = openJournal(':memory:')
  asked = 0
})
afterEach(async () => {
  await rig.close()
  await rm(stateDir, {recursive: true})
})

const identify = (of: Rig = rig, givenToken: string | null = null): Promise<HostIdentity> =>
  hostIdentity({
    ...{fleetUrl: `http://127.0.0.1:${of.served.port}`, stateDir, journal, givenToken},
    ...{name: 'one', architecture: 'amd64'},
    joinToken: async () => {
      asked += 1
      return givenToken ?? (await of.joinToken())
    },
  })

/** What the fleet answers to a hello on the control channel. */
const isWelcome = async ({host, certificatePem, keyPem}: HostIdentity, of: Rig = rig): Promise<boolean> => {
  const {socket, heard, say} = await of.openChannel({cert: certificatePem, key: keyPem})
  say({...messageExamples.AgentMessage.hello, host, builders: []})
  await until(() => heard.length > 0)
  socket.terminate()
  return heard[0]?.type === 'welcome'
}

describe('a host', () => {
  it('joins once, and keeps its key to itself', async () => {
    const identity = await identify()
    expect(await isWelcome(identity)).toBe(true)
    expect((await stat(join(stateDir, 'host.key'))).mode & 0o777).toBe(0o600)
    expect(journal.fact('identity')).not.toContain('PRIVATE')
    expect(await identify()).toEqual(identity)
    expect(asked).toBe(1)
    expect(rig.fleet.hosts.size).toBe(1)
  })

  it('needs no token again of its own fleet, and leaves it with one of another', async () => {
    const identity = await identify()
    expect(await identify(rig, await rig.joinToken())).toEqual(identity)
    const other = await startRig()
    try {
      const moved = await identify(other, await other.joinToken())
      expect(moved.caPem).toBe(other.caPem)
      expect(await isWelcome(moved, other)).toBe(true)
      const used = await rig.joinToken()
      await rig.tokens.spend(String(parseToken(used)?.id))
      await expect(identify(rig, used)).rejects.toThrow('has been used')
      expect(await identify(other)).toEqual(moved)
    } finally {
      await other.close()
    }
  })

  it('believes no fleet that has not made its token', async () => {
    const other = await startRig()
    try {
      await expect(identify(rig, await other.joinToken())).rejects.toThrow('is not the fleet that made this token')
    } finally {
      await other.close()
    }
    expect(journal.fact('identity')).toBeNull()
  })

  it.each<[string, () => Promise<void>]>([
    ['has a certificate that has ended', async () => replaceCertificate(await endedCertificate())],
    [
      'has a key that is not of its certificate',
      async () => writeFile(join(stateDir, 'host.key'), (await certificateRequest()).key),
    ],
    ['has lost its key', async () => rm(join(stateDir, 'host.key'))],
    ['was removed', async () => forgetIdentity(journal)],
  ])('joins anew where it %s', async (_what, spoil) => {
    const identity = await identify()
    await spoil()
    rig.fleet.hosts.clear()
    const anew = await identify()
    expect(asked).toBe(2)
    expect(anew.host).not.toBe(identity.host)
    expect(await isWelcome(anew)).toBe(true)
  })

  it('has its certificate renewed at half of its life, and asks again while the fleet is away', async () => {
    const first = await identify()
    const {validFrom, validTo} = new X509Certificate(first.certificatePem)
    const halfMs = (Date.parse(validFrom) + Date.parse(validTo)) / 2
    const clock = new FakeClock()
    clock.wallOffsetMs = Date.now()
    const renewed: HostIdentity[] = []
    let away = true
    let tries = 0
    const stop = new AbortController()
    const renew = async (identity: HostIdentity) => {
      tries += 1
      if (away) throw new Error('the fleet is away')
      return await renewIdentity(`http://127.0.0.1:${rig.served.port}`, identity, journal)
    }
    const onRenewed = (identity: HostIdentity) => void renewed.push(identity)
    const ended = keepRenewed(first, {renew, onRenewed, clock, log: silentLog}, stop.signal)
    const pass = async (ms: number) => {
      clock.advance(ms)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await pass(halfMs - clock.now() - 1000)
    expect(tries).toBe(0)
    await pass(1000)
    expect(tries).toBe(1)
    await pass(60_000)
    expect(tries).toBe(2)
    away = false
    await pass(60_000)
    await expect.poll(() => renewed.length, {timeout: 20_000}).toBe(1)
    expect(renewed[0]).toMatchObject({host: first.host, keyPem: first.keyPem})
    expect(renewed[0]?.certificatePem).not.toBe(first.certificatePem)
    expect(await isWelcome(renewed[0] as HostIdentity)).toBe(true)
    expect(await identify()).toEqual(renewed[0])
    stop.abort()
    await ended
  })

  it('that was removed has a certificate that opens nothing', async () => {
    const identity = await identify()
    rig.fleet.hosts.clear()
    expect(await isWelcome(identity)).toBe(false)
    await expect(renewIdentity(`http://127.0.0.1:${rig.served.port}`, identity, journal)).rejects.toThrow('was removed')
  })
})

const replaceCertificate = (certificatePem: string): void => {
  const identity = JSON.parse(journal.fact('identity') as string) as object
  journal.setFact('identity', JSON.stringify({...identity, certificatePem}))
}

/** For the host's own key, of the fleet's own authority, a hundred days ago. */
const endedCertificate = async (): Promise<string> => {
  const {keyPem} = await identify()
  const {certificateRequest: requestFor} = await import('@hearth/agent/channel/real-certificate-request')
  const authority = await openAuthority(rig.stateDir, {now: () => Date.now() - 100 * dayMs})
  return await authority.signHost(await requestFor(keyPem, 'one'), 'h-1' as HostIdentity['host'])
}
