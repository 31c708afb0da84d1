import {createHash, randomBytes, timingSafeEqual} from 'node:crypto'
import type {Secrets} from './tokens.ts'

/** 256 random bits, so a plain SHA-256 is enough to store. */
export const realSecrets: Secrets = {
  make: () => randomBytes(32).toString('base64url'),
  hash: (secret) => createHash('sha256').update(secret).digest('base64url'),
  same: (hash, otherHash) =>
    hash.length === otherHash.length && timingSafeEqual(Buffer.from(hash), Buffer.from(otherHash)),
}
