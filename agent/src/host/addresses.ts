import {lookup} from 'node:dns/promises'
import type {Denied} from './nft.ts'

/** Where a URL leads now: each address of its host, with its port. None if its name means nothing: then nobody reaches it either. */
export const addressesOf = async (url: string): Promise<readonly Denied[]> => {
  const {hostname, port, protocol} = new URL(url)
  try {
    const found = await lookup(hostname.replace(/^\[|\]$/g, ''), {all: true})
    return found.map(({address}) => ({address, port: Number(port) || (protocol === 'https:' ? 443 : 80)}))
  } catch {
    return []
  }
}
