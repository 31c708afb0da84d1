import type {Random} from '@hearth/proto/clock'
import type {Store, Tx} from '../store/store.ts'
import type {TokenTable} from './tokens.ts'

/** The tokens of the fleet's store. */
export const tokenTable = (store: Pick<Store, 'transaction'>, random: Random, clock: {now(): number}): TokenTable => {
  const audit = (tx: Tx, actor: string, act: string, id: string, detail: string) =>
    tx.audit.put({id: random.uuid(), at: clock.now(), actor, act, object: `token ${id}`, detail})
  return {
    find: (id) => store.transaction((tx) => tx.tokens.get(id)),
    list: () => store.transaction((tx) => tx.tokens.list()),
    insert: (token, by) =>
      store.transaction(async (tx) => {
        await tx.tokens.put(token)
        const trust = token.trust === 'untrusted' ? [token.trust] : []
        const detail = [...trust, token.kind, token.name, ...token.projects].join(' ').trim()
        await audit(tx, by, 'create token', token.id, detail)
      }),
    spend: (id, at) =>
      store.transaction(async (tx) => {
        const token = await tx.tokens.get(id)
        if (!token || token.revoked || token.usedAt !== null) return false
        await tx.tokens.put({...token, usedAt: at})
        return true
      }),
    unspend: (id) =>
      store.transaction(async (tx) => {
        const token = await tx.tokens.get(id)
        if (token) await tx.tokens.put({...token, usedAt: null})
      }),
    revoke: (id, by) =>
      store.transaction(async (tx) => {
        const token = await tx.tokens.get(id)
        if (!token || token.revoked) return
        await tx.tokens.put({...token, revoked: true})
        await audit(tx, by, 'revoke token', id, token.name)
      }),
  }
}
