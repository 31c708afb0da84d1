import {chownSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'
import {UsageError} from './failures.ts'

export const defaultUrl = 'http://127.0.0.1:7433'

/** A saved connection. `caPem` is kept for https; `createsProjects` and `onlyProject` spare a build the question. */
export type Profile = {
  readonly url: string
  readonly token: string
  readonly caPem?: string
  readonly createsProjects?: boolean
  readonly onlyProject?: string
  /** Where the Hearth that wrote it keeps its state. */
  readonly stateDir?: string
}

/** What a command talks to: the profile with HEARTH_URL and HEARTH_TOKEN put over it. */
export type Connection = Omit<Profile, 'token'> & {readonly token: string | null}

const inHome = (home: string): string => join(home, '.config', 'hearth', 'profile.json')

/** Where this user's profile stands. */
export const profilePath = (environment: NodeJS.ProcessEnv): string => {
  const config = environment['XDG_CONFIG_HOME']
  return config ? join(config, 'hearth', 'profile.json') : inHome(environment['HOME'] ?? homedir())
}

/** Null where there is none. Throws `UsageError` for one that is not a profile. */
export const readProfile = (environment: NodeJS.ProcessEnv): Profile | null => {
  const path = profilePath(environment)
  try {
    const profile = JSON.parse(readFileSync(path, 'utf8')) as Profile | null
    if (typeof profile?.url === 'string' && typeof profile.token === 'string') return profile
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    if (!(error instanceof SyntaxError)) {
      throw new UsageError(
        `the profile ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
  throw new UsageError(`the profile ${path} is damaged: remove it, or run hearth up, which writes it anew`)
}

/**
 * Saves the profile, 0600, whole or not at all. With `alsoFor` (the value of SUDO_USER) it is saved in that user's home too,
 * owned by them, because a build is not run under sudo.
 */
export const writeProfile = (
  profile: Profile,
  {environment, alsoFor}: {environment: NodeJS.ProcessEnv; alsoFor: string | null},
): readonly string[] => {
  const own = profilePath(environment)
  const user = alsoFor && alsoFor !== 'root' ? findUser(alsoFor) : null
  const theirs = user ? inHome(user.home) : own
  writeTo(own, profile, theirs === own ? user : null)
  if (theirs !== own) writeTo(theirs, profile, user)
  return [...new Set([own, theirs])]
}

type User = {readonly home: string; readonly uid: number; readonly gid: number}

const findUser = (name: string): User | null => {
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([login]) => login === name)
  if (!fields?.[5]) return null
  return {home: fields[5], uid: Number(fields[2]), gid: Number(fields[3])}
}

const writeTo = (path: string, profile: Profile, owner: User | null): void => {
  const made = mkdirSync(dirname(path), {recursive: true, mode: 0o700})
  const next = `${path}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(profile, null, 2)}\n`, {mode: 0o600})
  if (owner) chownSync(next, owner.uid, owner.gid)
  renameSync(next, path)
  if (owner && made) giveAway(made, dirname(path), owner)
}

/** The directories that had to be made on the way belong to the owner too. */
const giveAway = (first: string, last: string, {uid, gid}: User): void => {
  for (let directory = last; directory.length >= first.length; directory = dirname(directory)) {
    chownSync(directory, uid, gid)
  }
}

/** The connection of this call: HEARTH_URL and HEARTH_TOKEN win over the profile; without either, the embedded default. */
export const resolveConnection = (environment: NodeJS.ProcessEnv): Connection => {
  const url = environment['HEARTH_URL']?.replace(/\/+$/, '')
  const token = environment['HEARTH_TOKEN']
  if (url && token) return {url, token}
  const profile = readProfile(environment)
  if (url && url !== profile?.url) {
    if (profile)
      throw new UsageError(`HEARTH_URL is ${url}, and the saved token is for ${profile.url}: set HEARTH_TOKEN too`)
    return {url, token: token ?? null}
  }
  if (!profile) return {url: defaultUrl, token: token ?? null}
  return token && token !== profile.token ? {url: profile.url, token} : profile
}
