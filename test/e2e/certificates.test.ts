import {describe, expect, it} from 'vitest'
import {handshake} from '../support/handshake.ts'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeThief} from '../support/thief.ts'

describe.skipIf(unprivileged())('what a build was given', () => {
  const shared = sharedHearth()

  it('opens nothing a minute after its start, though its builder is there', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'web', ['RUN true'])
    const thief = await makeThief(directory, hearth)
    expect((await thief.hearth.run('build', context)).code).toBe(0)

    const {way, keyPem} = await thief.loot()
    await handshake(way, keyPem) // it is the right way
    const refusal = async () =>
      await handshake(way, keyPem).then(
        () => null,
        ({message}: Error) => message,
      )
    await expect.poll(refusal, {timeout: 90_000, interval: 500}).toMatch(/certificate expired/)
    expect((await hearth.run('build', context)).stderr).toMatch(/^web · \w+ · this host · cache: .*warm$/m)
    await expect(handshake({...way, certificatePem: null}, keyPem)).rejects.toThrow(/certificate required/)
  })
})
