import type {TokenRecord} from '../store/records.ts'
import type {TokenTable} from './tokens.ts'

/** A token table in memory. */
export const fakeTokenTable = (): TokenTable => {
  const tokens = new Map<string, TokenRecord>()
  const change = (id: string, part: Partial<TokenRecord>) => {
    const token = tokens.get(id)
    if (token) tokens.set(id, {...token, ...part})
  }
  return {
    find: async (id) => tokens.get(id) ?? null,
    list: async () => [...tokens.values()],
    insert: async (token) => void tokens.set(token.id, token),
    spend: async (id, at) => {
      const token = tokens.get(id)
      if (!token || token.revoked || token.usedAt !== null) return false
      change(id, {usedAt: at})
      return true
    },
    unspend: async (id) => change(id, {usedAt: null}),
    revoke: async (id) => change(id, {revoked: true}),
  }
}
