import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {answerCheck, type OpenApi} from '@hearth/fleet/api/answer-check'
import type {Profile} from '@hearth/fleet/cli/profile'
import type {Build, Cache, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bringUp, type Hearth, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

let directory: TestDirectory
let hearth: Hearth
beforeEach(async () => {
  directory = await makeTestDirectory()
  hearth = hearthIn(directory)
})
afterEach(async () => {
  await hearth.run('down', '--force')
  await directory.remove()
})

type Ask = {readonly body?: unknown; readonly lines?: boolean}
type Api = {
  readonly ask: (method: string, path: string, options?: Ask) => Promise<string>
  readonly document: OpenApi
}

/** Asks as the command line does; throws at an answer that does not fit the document. `asked` gets what was. */
const openApi = async (asked: Set<string>): Promise<Api> => {
  const file = await readFile(join(directory.path, 'config/hearth/profile.json'), 'utf8')
  const {url, token} = JSON.parse(file) as Profile
  const document = (await (await fetch(`${url}/v1/openapi.json`)).json()) as OpenApi
  const check = answerCheck(document)
  return {
    document,
    ask: async (method, path, {body, lines = false} = {}) => {
      const headers = {
        authorization: `Bearer ${token}`,
        accept: lines ? 'application/x-ndjson' : 'application/json',
        ...(body !== undefined && {'content-type': 'application/json'}),
      }
      const response = await fetch(url + path, {
        method,
        headers,
        ...(body !== undefined && {body: JSON.stringify(body)}),
      })
      const text = await response.text()
      check({method, path, status: response.status, type: response.headers.get('content-type') ?? '', text})
      expect(response.status, `${method} ${path}: ${text}`).toBeLessThan(300)
      asked.add(`${method} ${path}`)
      return text
    },
  }
}

describe.skipIf(unprivileged())('the API of a Hearth that has built', () => {
  it('answers every route as its OpenAPI document says', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'web', ['RUN echo $(cat /proc/uptime) > /out'])
    expect((await hearth.run('build', context, '--project', 'acme/web')).code).toBe(0)
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY nothing /\n')
    expect((await hearth.run('build', context, '--project', 'acme/web')).code).toBe(1)
    const asked = new Set<string>()
    const {ask, document} = await openApi(asked)

    for (const path of ['status', 'whoami', 'audit', 'ca', 'openapi.json', 'hosts', 'projects', 'caches', 'tokens']) {
      await ask('GET', `/v1/${path}`)
    }
    for (const path of ['projects', 'caches']) await ask('GET', `/v1/${path}/${encodeURIComponent('acme/web')}`)
    await ask('GET', '/healthz')
    await ask('GET', '/metrics')
    const builds = JSON.parse(await ask('GET', '/v1/builds')) as readonly Build[]
    expect(builds.map(({state}) => state)).toEqual(['failed', 'succeeded'])
    for (const {id} of builds) {
      await ask('GET', `/v1/builds/${id}`)
      await ask('GET', `/v1/builds/${id}/watch`, {lines: true})
      await expect.poll(() => ask('GET', `/v1/builds/${id}/logs`).catch(String), {timeout: 30_000}).toContain('COPY')
    }
    await headIs(ask, 1)
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n')
    expect((await hearth.run('build', context, '--project', 'acme/web')).code).toBe(0)
    await headIs(ask, 2)
    await tryCaches(ask)
    await tryWrites(ask)
    await tryHost(ask)
    expect(missing(document, asked)).toEqual(
      [
        'POST /agent/v1/drain',
        'POST /agent/v1/join',
        'POST /agent/v1/renew',
        'POST /agent/v1/copies/{copy}/credentials',
        'PUT /agent/v1/builds/{id}/logs/{architecture}',
        'POST /v1/shutdown',
      ].toSorted(),
    )
  })
})

/** By a checkpoint, once its builder has been idle for a while. */
const headIs = async (ask: Api['ask'], number: number): Promise<void> => {
  const head = async () => (JSON.parse(await ask('GET', '/v1/caches')) as readonly Cache[])[0]?.head
  await expect.poll(head, {timeout: 60_000}).toMatchObject({number})
}

const tryCaches = async (ask: Api['ask']): Promise<void> => {
  const project = encodeURIComponent('acme/web')
  await ask('PATCH', `/v1/projects/${project}`, {body: {generations: 3}})
  for (const verb of ['rollback', 'pin', 'unpin']) await ask('POST', `/v1/caches/${project}/${verb}`, {body: {}})
}

const tryWrites = async (ask: Api['ask']): Promise<void> => {
  const request = {project: 'acme/web', architectures: ['amd64'], publicKey: 'AAAA'}
  const {id} = JSON.parse(await ask('POST', '/v1/builds', {body: {...request, key: 'k-openapi-1'}})) as Build
  await ask('POST', `/v1/builds/${id}/renew`)
  await ask('POST', `/v1/builds/${id}/cancel`, {body: {reason: 'only asked'}})
  const waiting = {...request, architectures: ['arm64'], key: 'k-openapi-2'}
  const other = JSON.parse(await ask('POST', '/v1/builds', {body: waiting})) as Build
  await ask('POST', `/v1/builds/${other.id}/finish`, {body: {interrupted: true}})
  const {record} = JSON.parse(await ask('POST', '/v1/tokens', {body: {kind: 'admin', name: 'second'}})) as {
    record: {id: string}
  }
  await ask('DELETE', `/v1/tokens/${record.id}`)
  await ask('POST', '/v1/caches/acme%2Fweb/reset', {body: {}})
  await ask('POST', '/v1/projects', {body: {name: 'acme/api'}})
  await ask('DELETE', '/v1/projects/acme/api')
}

const tryHost = async (ask: Api['ask']): Promise<void> => {
  const [host] = JSON.parse(await ask('GET', '/v1/hosts')) as readonly Host[]
  await ask('GET', `/v1/hosts/${host?.id}`)
  for (const verb of ['cordon', 'uncordon', 'drain']) await ask('POST', `/v1/hosts/${host?.id}/${verb}`)
  const slots = async () => (JSON.parse(await ask('GET', `/v1/hosts/${host?.id}`)) as Host).slots
  await expect.poll(slots, {timeout: 30_000}).toMatchObject({warm: 0, terminating: 0})
  await ask('DELETE', `/v1/hosts/${host?.id}`)
}

/** Documented routes that nobody asked. */
const missing = ({paths}: OpenApi, asked: ReadonlySet<string>): readonly string[] =>
  Object.entries(paths)
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((route) => {
      const pattern = new RegExp(`^${route.replace('{project}', '.+').replace(/\{\w+\}/g, '[^/]+')}$`)
      return ![...asked].some((each) => pattern.test(each))
    })
    .toSorted()
