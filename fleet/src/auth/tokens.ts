import type {CreatedToken, CreateToken, Token} from '@hearth/proto/api'
import {parseToken} from '@hearth/proto/ca-pin'
import type {Random} from '@hearth/proto/clock'
import {ApiFailure} from '../api-failure.ts'
import type {Principal} from '../fleet.ts'
import type {TokenRecord} from '../store/records.ts'

const joinTokenMs = 60 * 60_000

/** The store's part: tokens by id, with the hash of their secret. Changes and their audit entries are committed together, before the promise resolves. */
export interface TokenTable {
  find(id: string): Promise<TokenRecord | null>
  list(): Promise<readonly TokenRecord[]>
  insert(token: TokenRecord, by: string): Promise<void>
  /** Marks an unused token as used at `at`. False if it has been used or revoked meanwhile. */
  spend(id: string, at: number): Promise<boolean>
  /** Takes `spend` back. */
  unspend(id: string): Promise<void>
  revoke(id: string, by: string): Promise<void>
}

/** What can't be had without node:crypto. */
export interface Secrets {
  make(): string
  hash(secret: string): string
  /** Compares in constant time. */
  same(hash: string, otherHash: string): boolean
}

export type TokensDeps = {
  readonly table: TokenTable
  readonly secrets: Secrets
  readonly random: Random
  readonly clock: {now(): number}
  /** The pin of the fleet's CA, which every token carries. */
  readonly pin: string
}

/** Makes, checks and revokes tokens. Refusals are `ApiFailure`s that say what to do. */
export class Tokens {
  readonly #deps: TokensDeps

  constructor(deps: TokensDeps) {
    this.#deps = deps
  }

  /** The answer holds the token's text, which nobody can ask for again. */
  async create(request: CreateToken, by: string): Promise<CreatedToken> {
    const {secrets, random, clock, pin, table} = this.#deps
    const {kind, name = '', projects = [], trust = 'trusted', expiresInMs} = request
    checkKind(request)
    const secret = secrets.make()
    const now = clock.now()
    const lifeMs = expiresInMs === undefined && kind === 'join' ? joinTokenMs : (expiresInMs ?? null)
    const expiresAt = lifeMs === null ? null : now + lifeMs
    const id = random.name(10)
    const record: Token = {id, kind, name, projects, trust, createdAt: now, expiresAt, usedAt: null, revoked: false}
    await table.insert({...record, secretHash: secrets.hash(secret)}, by)
    return {token: `${kind === 'join' ? 'hj' : 'ht'}_${id}.${secret}.${pin}`, record}
  }

  async list(): Promise<readonly Token[]> {
    return (await this.#deps.table.list()).map(withoutHash)
  }

  /** By its id, or a beginning of it that no other token has. Revoking what is revoked is success. */
  async revoke(id: string, by: string): Promise<void> {
    const tokens = (await this.#deps.table.list()).filter((token) => token.id.startsWith(id))
    const [token] = tokens.filter((each) => each.id === id || tokens.length === 1)
    if (token && !token.revoked) await this.#deps.table.revoke(token.id, by)
    if (token) return
    if (tokens.length === 0) throw new ApiFailure(404, 'not-found', `there is no token ${id}: see hearth tokens`)
    throw new ApiFailure(409, 'ambiguous', `${id} is the beginning of more than one token: write more of it`)
  }

  /** The token that this text stands for, if it may be used on the API. Throws `ApiFailure` 401. */
  async authenticate(text: string): Promise<Token> {
    const token = await this.#verify(text)
    if (token.kind !== 'join') return token
    throw unauthorized(
      'this is a join token: it only joins a host (hearth-agent --join). Use an admin or project token',
    )
  }

  /** The join token that this text stands for, if it is still unused. Throws `ApiFailure` 401. */
  async verifyJoin(text: string): Promise<Token> {
    const token = await this.#verify(text)
    if (token.kind !== 'join') {
      throw unauthorized('this token does not join hosts: make one with hearth tokens create --kind join')
    }
    if (token.usedAt === null) return token
    throw usedUp(token.id)
  }

  /** Uses a join token up. Throws `ApiFailure` 401 if someone else was first. */
  async spend(id: string): Promise<void> {
    if (!(await this.#deps.table.spend(id, this.#deps.clock.now()))) throw usedUp(id)
  }

  /** Makes a spent join token usable again: what it was spent for did not come about. */
  async unspend(id: string): Promise<void> {
    await this.#deps.table.unspend(id)
  }

  async #verify(text: string): Promise<Token> {
    const {table, secrets, pin, clock} = this.#deps
    const parts = parseToken(text)
    if (!parts)
      throw unauthorized('that is not a whole Hearth token: copy all of it, from ht_ or hj_ to its last character')
    const token = await table.find(parts.id)
    const known = token !== null && secrets.same(token.secretHash, secrets.hash(parts.secret))
    if (!known || parts.kind !== (token.kind === 'join' ? 'join' : 'token')) {
      throw unauthorized(
        parts.pin === pin
          ? 'this fleet does not know the token: ask for a new one (hearth tokens create)'
          : 'this token is of another fleet: check HEARTH_URL, or ask for a token of this one',
      )
    }
    if (token.revoked) throw unauthorized(`the token ${token.id} was revoked: ask for a new one`)
    if (token.expiresAt !== null && token.expiresAt <= clock.now()) {
      throw unauthorized(`the token ${token.id} has expired: ask for a new one`)
    }
    return withoutHash(token)
  }
}

/** Who asks, for the core. */
export const principalOf = ({id, kind, name, projects, trust}: Token): Principal => ({
  actor: name || `token ${id}`,
  tokenId: id,
  kind: kind === 'admin' ? 'admin' : 'project',
  projects: kind === 'admin' ? null : projects,
  trust,
})

/** An admin could make itself a trusted token, so an untrusted admin would only look like a guard. */
const checkKind = ({kind, projects = [], trust}: CreateToken): void => {
  if (kind === 'project' && projects.length === 0) {
    throw new ApiFailure(400, 'invalid', 'a project token needs /projects: the names of the projects that it may build')
  }
  if (kind !== 'project' && projects.length > 0) {
    throw new ApiFailure(400, 'invalid', `/projects is for tokens of kind 'project', not '${kind}'`)
  }
  if (kind !== 'project' && trust === 'untrusted') {
    throw new ApiFailure(400, 'invalid', `only a token of kind 'project' can be untrusted, not one of kind '${kind}'`)
  }
}

const withoutHash = ({secretHash: _kept, ...token}: TokenRecord): Token => token

const unauthorized = (message: string): ApiFailure => new ApiFailure(401, 'unauthorized', message)

const usedUp = (id: string): ApiFailure =>
  unauthorized(
    `the join token ${id} has been used: each joins one host, so make another (hearth tokens create --kind join)`,
  )
