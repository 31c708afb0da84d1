import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {ApiFailure} from '../api-failure.ts'
import {writeSecretFile} from './real-authority.ts'
import type {Tokens} from './tokens.ts'

export type AdminToken = {readonly token: string; readonly path: string; readonly created: boolean}

/**
 * The admin token in `stateDir/admin-token` (0600), made if there is none that works. For the first start of a fleet and for
 * `hearth up`, which hands it to the command line's profile.
 */
export const ensureAdminToken = async (tokens: Tokens, stateDir: string, name = 'admin'): Promise<AdminToken> => {
  const path = join(stateDir, 'admin-token')
  const saved = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  const token = saved?.trim() ?? ''
  if (await works(tokens, token)) return {token, path, created: false}
  const made = await tokens.create({kind: 'admin', name}, 'the fleet, at its start')
  await writeSecretFile(path, `${made.token}\n`)
  return {token: made.token, path, created: true}
}

const works = async (tokens: Tokens, token: string): Promise<boolean> => {
  try {
    return token !== '' && (await tokens.authenticate(token)).kind === 'admin'
  } catch (error) {
    if (error instanceof ApiFailure) return false
    throw error
  }
}
