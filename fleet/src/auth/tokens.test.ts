import type {CreateToken} from '@hearth/proto/api'
import {parseToken} from '@hearth/proto/ca-pin'
import {realRandom} from '@hearth/proto/real-clock'
import {beforeEach, describe, expect, it} from 'vitest'
import {ApiFailure} from '../api-failure.ts'
import {openSqliteStore} from '../store/sqlite.ts'
import {fakeTokenTable} from './fake-token-table.ts'
import {realSecrets} from './real-secrets.ts'
import {tokenTable} from './token-table.ts'
import {principalOf, Tokens, type TokenTable} from './tokens.ts'

const hourMs = 60 * 60_000
const pin = 'p'.repeat(43)
let now: number
const clock = {now: () => now}

const storedTokens = (): TokenTable => tokenTable(openSqliteStore(':memory:'), realRandom, clock)

// The store's table and the fake pass alike.
describe.each<[string, () => TokenTable]>([
  ['the store', storedTokens],
  ['the fake', fakeTokenTable],
])('tokens in %s', (_name, open) => {
  let tokens: Tokens
  beforeEach(() => {
    now = 1_000_000
    tokens = new Tokens({table: open(), secrets: realSecrets, random: realRandom, clock, pin})
  })
  const make = (request: CreateToken) => tokens.create(request, 'test')

  it('are known by their secret', async () => {
    const {token, record} = await make({kind: 'project', projects: ['a'], name: 'ci', trust: 'untrusted'})
    expect(parseToken(token)).toMatchObject({kind: 'token', id: record.id, pin})
    expect(await tokens.authenticate(token)).toEqual(record)
    expect(await tokens.list()).toEqual([record])
    const [head, , tail] = token.split('.')
    await expect(tokens.authenticate(`${head}.${'x'.repeat(43)}.${tail}`)).rejects.toThrow('does not know the token')
  })

  it('expire and are revoked', async () => {
    const {token, record} = await make({kind: 'admin', expiresInMs: 10})
    now += 9
    await tokens.authenticate(token)
    now += 1
    await expect(tokens.authenticate(token)).rejects.toThrow(`the token ${record.id} has expired`)
    const other = await make({kind: 'admin'})
    await tokens.revoke(other.record.id, 'test')
    await tokens.revoke(other.record.id, 'test')
    await expect(tokens.authenticate(other.token)).rejects.toThrow('was revoked')
    await expect(tokens.revoke('nothing', 'test')).rejects.toThrow(ApiFailure)
    await expect(tokens.revoke('', 'test')).rejects.toThrow('is the beginning of more than one token')
  })

  it('join once, within an hour', async () => {
    const {token, record} = await make({kind: 'join'})
    expect(token.startsWith('hj_')).toBe(true)
    expect(record.expiresAt).toBe(now + hourMs)
    await expect(tokens.authenticate(token)).rejects.toThrow('only joins a host')
    expect((await tokens.verifyJoin(token)).id).toBe(record.id)
    await tokens.spend(record.id)
    await expect(tokens.spend(record.id)).rejects.toThrow('has been used')
    await expect(tokens.verifyJoin(token)).rejects.toThrow('has been used')
    await tokens.unspend(record.id)
    await tokens.verifyJoin(token)
    await tokens.revoke(record.id, 'test')
    await expect(tokens.spend(record.id)).rejects.toThrow('has been used')
    now += hourMs
    await expect(tokens.verifyJoin((await make({kind: 'admin'})).token)).rejects.toThrow('does not join hosts')
  })

  it.each<CreateToken>([
    {kind: 'project'},
    {kind: 'project', projects: []},
    {kind: 'admin', projects: ['a']},
    {kind: 'join', projects: ['a']},
  ])('are refused as %j', async (request) => {
    await expect(make(request)).rejects.toThrow('/projects')
  })

  it.each(['admin', 'join'] as const)('of kind %s are never untrusted', async (kind) => {
    await expect(make({kind, trust: 'untrusted'})).rejects.toThrow("only a token of kind 'project' can be untrusted")
  })

  it('an hj_ prefix does not make a token join', async () => {
    const {token} = await make({kind: 'admin'})
    await expect(tokens.verifyJoin(token.replace('ht_', 'hj_'))).rejects.toThrow(ApiFailure)
  })
})

describe('tokens in the store', () => {
  it('leave an audit trail without secrets', async () => {
    now = 5
    const store = openSqliteStore(':memory:')
    const table = tokenTable(store, realRandom, clock)
    const tokens = new Tokens({table, secrets: realSecrets, random: realRandom, clock, pin})
    const {token, record} = await tokens.create({kind: 'project', projects: ['a', 'b'], name: 'ci'}, 'root')
    await tokens.revoke(record.id, 'root')
    const audit = await store.transaction((tx) => tx.audit.list())
    expect(audit).toMatchObject([
      {at: 5, actor: 'root', act: 'create token', object: `token ${record.id}`, detail: 'project ci a b'},
      {at: 5, actor: 'root', act: 'revoke token', object: `token ${record.id}`, detail: 'ci'},
    ])
    const kept = JSON.stringify(await store.transaction((tx) => tx.tokens.list()))
    expect(kept).not.toContain(parseToken(token)?.secret)
  })
})

describe('principalOf', () => {
  it('lets an admin do all, and a project token what it names', () => {
    const token = {id: 'x', name: '', projects: ['a'], createdAt: 0, expiresAt: null, usedAt: null, revoked: false}
    const project = principalOf({...token, kind: 'project', trust: 'untrusted'})
    expect(project).toEqual({actor: 'token x', tokenId: 'x', kind: 'project', projects: ['a'], trust: 'untrusted'})
    expect(principalOf({...token, kind: 'admin', trust: 'trusted', projects: []}).projects).toBeNull()
  })
})
