import {mkdir, open, rm, statfs} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {createFleet} from '@hearth/fleet/core'
import type {Principal} from '@hearth/fleet/fleet'
import {defaultPolicy} from '@hearth/fleet/policy'
import {type RunningFleet, startFleet} from '@hearth/fleet/real-fleet'
import {startFailure} from '@hearth/fleet/start-failure'
import type {ApiError, Build} from '@hearth/proto/api'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

// A fleet whose state directory is on a file system of 3 MB, which is filled up.

const admin: Principal = {actor: 'ada', tokenId: 't1', kind: 'admin', projects: null, trust: 'trusted'}

let directory: TestDirectory
let stateDir: string
beforeEach(async () => {
  directory = await makeTestDirectory()
  stateDir = join(directory.path, 'small')
  await mkdir(stateDir)
  await run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', stateDir], AbortSignal.timeout(20_000))
})
afterEach(() => directory.remove())

const config = () => ({
  ...{stateDir, listen: {host: '127.0.0.1', port: 0}, advertise: [], logLevel: 'info' as const},
  policy: {...defaultPolicy, buildsCreateProjects: true},
  ceph: null,
})
const start = (): Promise<RunningFleet> =>
  startFleet({
    ...{config: config(), version: '0.1.0', embedded: false, localHost: () => null, makeFleet: createFleet},
    ...{clock: realClock, random: realRandom, log: silentLog},
  })

const ballast = () => join(stateDir, 'ballast')
const fill = async (): Promise<void> => {
  const file = await open(ballast(), 'a')
  try {
    const {bavail, bsize} = await statfs(stateDir)
    await file.write(Buffer.alloc(bavail * bsize))
  } finally {
    await file.close()
  }
}

const ask = async (fleet: RunningFleet, key: string): Promise<{status: number; body: Build & ApiError}> => {
  const body = JSON.stringify({key, project: 'web', createProject: true, architectures: ['amd64'], publicKey: 'AAAA'})
  const headers = {authorization: `Bearer ${fleet.adminToken.token}`, 'content-type': 'application/json'}
  const answer = await fetch(`${fleet.url}/v1/builds`, {method: 'POST', headers, body})
  return {status: answer.status, body: (await answer.json()) as Build & ApiError}
}

describe.skipIf(unprivileged())('a fleet whose disk is full', () => {
  it('refuses what it can not write down, loses nothing, and goes on when there is room again', async () => {
    const fleet = await start()
    try {
      const first = await ask(fleet, 'before-1234')
      expect(first.status).toBe(200)
      await fill()
      let refused = await ask(fleet, 'during-0000')
      for (let tries = 1; refused.status === 200; tries++) refused = await ask(fleet, `during-${1000 + tries}`) // into what the log has left
      expect(refused.status).toBe(507)
      expect(refused.body).toEqual({
        code: 'disk-full',
        message: "the fleet's disk is full: free some space in its state directory, then try again",
      })
      expect(await fleet.fleet.showBuild(first.body.id, admin)).toMatchObject({id: first.body.id, project: 'web'})
      await rm(ballast())
      expect((await ask(fleet, 'after-12345')).status).toBe(200)
      expect((await fleet.fleet.listBuilds({limit: 1000}, admin)).map(({id}) => id)).toContain(first.body.id)
    } finally {
      await fleet.close()
    }
    const again = await start()
    expect((await again.fleet.listBuilds({limit: 1000}, admin)).length).toBeGreaterThanOrEqual(2)
    await again.close()
  })

  it('does not start, and says why; with room again it does', async () => {
    await fill()
    const error = await start().catch((reason: unknown) => reason)
    expect(startFailure(error, config())).toBe(
      `the disk that holds ${stateDir} is full: free some space there; nothing was lost`,
    )
    await rm(ballast())
    await (await start()).close()
  })
})
