import {stat} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type Rig, startRig} from './real-rig.ts'

type Content = {readonly [type: string]: {readonly schema: {readonly required: readonly string[]}}}
type Paths = {
  readonly [path: string]: {
    readonly [method: string]: {
      readonly summary: string
      readonly requestBody: {readonly content: Content}
      readonly responses: {readonly [status: string]: {readonly content: Content}}
      readonly security: readonly object[]
    }
  }
}

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('what the fleet says of itself', () => {
  it('serves an OpenAPI document with every route', async () => {
    const {json, status} = await rig.ask('GET', '/v1/openapi.json', {token: null})
    expect(status).toBe(200)
    expect(json.openapi).toBe('3.1.0')
    const shown = Object.entries(json['paths'] as unknown as Paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(shown.sort()).toMatchInlineSnapshot(`
      [
        "DELETE /v1/hosts/{id}",
        "DELETE /v1/projects/{project}",
        "DELETE /v1/tokens/{id}",
        "GET /healthz",
        "GET /metrics",
        "GET /v1/audit",
        "GET /v1/builds",
        "GET /v1/builds/{id}",
        "GET /v1/builds/{id}/logs",
        "GET /v1/builds/{id}/watch",
        "GET /v1/ca",
        "GET /v1/caches",
        "GET /v1/caches/{project}",
        "GET /v1/hosts",
        "GET /v1/hosts/{id}",
        "GET /v1/openapi.json",
        "GET /v1/projects",
        "GET /v1/projects/{project}",
        "GET /v1/status",
        "GET /v1/tokens",
        "GET /v1/whoami",
        "PATCH /v1/projects/{project}",
        "POST /agent/v1/copies/{copy}/credentials",
        "POST /agent/v1/drain",
        "POST /agent/v1/join",
        "POST /agent/v1/renew",
        "POST /v1/builds",
        "POST /v1/builds/{id}/cancel",
        "POST /v1/builds/{id}/finish",
        "POST /v1/builds/{id}/renew",
        "POST /v1/caches/{project}/pin",
        "POST /v1/caches/{project}/reset",
        "POST /v1/caches/{project}/rollback",
        "POST /v1/caches/{project}/unpin",
        "POST /v1/hosts/{id}/cordon",
        "POST /v1/hosts/{id}/drain",
        "POST /v1/hosts/{id}/uncordon",
        "POST /v1/projects",
        "POST /v1/tokens",
        "PUT /agent/v1/builds/{id}/logs/{architecture}",
      ]
    `)
    for (const methods of Object.values(json['paths'] as unknown as Paths)) {
      for (const {summary, responses} of Object.values(methods)) {
        expect(summary).toBeTruthy()
        expect(Object.keys(responses).length).toBeGreaterThan(1)
      }
    }
    const create = (json['paths'] as unknown as Paths)['/v1/builds']?.['post']
    expect(create?.requestBody.content['application/json']?.schema.required).toContain('publicKey')
    expect(Object.keys(create?.responses['200']?.content ?? {})).toEqual(['application/json', 'application/x-ndjson'])
    expect(create?.security).toEqual([{token: []}])
  })

  it('shows metrics to this machine', async () => {
    const {text, status} = await rig.ask('GET', '/metrics', {token: null})
    expect(status).toBe(200)
    expect(text).toContain('hearth_builds{state="queued"} 3')
    expect(text).toContain('hearth_slots{architecture="amd64",state="free"} 2')
    expect(text).toContain('hearth_leases_queued{architecture="amd64"} 3')
  })

  it('keeps its keys to itself', async () => {
    for (const file of ['ca.pem', 'server.pem']) expect((await stat(join(rig.stateDir, file))).mode & 0o777).toBe(0o600)
  })
})
