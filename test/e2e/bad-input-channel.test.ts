import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {hostIdentity} from '@hearth/agent/channel/real-join'
import {socketDial} from '@hearth/agent/channel/socket'
import {architectureOf} from '@hearth/agent/host/facts'
import {journalIn, openDatabase} from '@hearth/agent/store/journal'
import type {CreatedToken, Host} from '@hearth/proto/api'
import {messageExamples} from '@hearth/proto/examples'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {startTwoProcesses, type TwoProcesses} from '../support/two-processes.ts'

describe.skipIf(unprivileged())('a host that breaks the protocol', () => {
  let directory: TestDirectory
  let both: TwoProcesses
  beforeEach(async () => {
    directory = await makeTestDirectory()
    both = await startTwoProcesses(directory)
  })
  afterEach(async () => {
    await both.stop()
    await directory.remove()
  })

  /** A host that has joined in order; what it says then is the test's. */
  const joinHost = async () => {
    const {hearth} = both
    const {token: joinToken} = await hearth.json<CreatedToken>('tokens', 'create', '--kind', 'join')
    const {url: fleetUrl} = await hearth.json<{url: string}>('status')
    const stateDir = join(directory.path, 'intruder')
    await mkdir(stateDir)
    const journal = journalIn(openDatabase(':memory:'))
    const architecture = architectureOf(process.arch)
    const identity = await hostIdentity({
      fleetUrl,
      stateDir,
      journal,
      name: 'intruder',
      architecture,
      joinToken: async () => joinToken,
    })
    const {host, caPem: ca, certificatePem: cert, keyPem: key} = identity
    const dial = socketDial(() => ({
      url: `${fleetUrl.replace('http', 'wss')}/agent/v1/channel`,
      ca,
      cert,
      key,
      silenceMs: 20_000,
    }))
    return {host, open: async () => await dial(AbortSignal.timeout(20_000))}
  }

  it('is told why and cut off, and nobody else notices', async () => {
    const {hearth} = both
    await hearth.run('projects', 'create', 'web')
    const context = await makeContext(directory, 'web', ['RUN sleep 5'])
    const build = hearth.start('build', context, '--project', 'web')
    await build.said(/sleep 5/)
    const connections = async () =>
      (await hearth.json<readonly Host[]>('hosts')).map(({name, connection}) => `${name} ${connection}`).toSorted()
    const {host, open} = await joinHost()
    const hello = {...messageExamples.AgentMessage.hello, host, builders: []}
    for (const [message, reason] of [
      ['nonsense', 'the message is not JSON'],
      [JSON.stringify({...hello, slots: 'many'}), '/slots must be integer'],
      [JSON.stringify({...hello, host: 'h-other'}), '/host is h-other, but the certificate is for'],
      [JSON.stringify({...hello, name: 'x'.repeat(2 * 1024 * 1024)}), 'larger than 1 MiB'],
      ['x'.repeat(16 * 1024 * 1024), 'larger than 1 MiB'],
    ] as const) {
      const wire = await open()
      const heard: string[] = []
      wire.onText((text) => heard.push(text))
      wire.send(message)
      expect(await wire.closed).toContain(reason)
      expect(heard.map((text) => JSON.parse(text) as unknown)).toEqual([
        {type: 'refused', code: 'protocol', reason: expect.stringContaining(reason)},
      ])
      expect(await connections()).toEqual(['h1 online', 'intruder offline'])
    }
    const wire = await open()
    const welcomed = Promise.withResolvers<string>()
    wire.onText(welcomed.resolve)
    wire.send(JSON.stringify(hello))
    expect(JSON.parse(await welcomed.promise)).toMatchObject({type: 'welcome'})
    expect(await connections()).toEqual(['h1 online', 'intruder online'])
    wire.close('enough')
    expect((await build.ended).code).toBe(0)
  })
})
