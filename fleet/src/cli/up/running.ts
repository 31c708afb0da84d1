import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Status} from '@hearth/proto/api'
import {pinnedCa} from '../ca-trust.ts'
import type {Context} from '../context.ts'
import {formatAge} from '../format.ts'
import {fleetHttp} from '../http.ts'
import {type Profile, writeProfile} from '../profile.ts'

/** Written once a Hearth is ready, removed at its end; a killed one leaves it. */
export const urlFile = (stateDir: string): string => join(stateDir, 'url')

/**
 * What runs on this state directory, asked at the URL that it left there: says so, and saves the profile for it. False if nothing
 * answers: there is none, or it is starting or ending.
 */
export const tellRunning = async (stateDir: string, context: Context): Promise<boolean> => {
  try {
    const [url, token] = await Promise.all([
      readFile(urlFile(stateDir), 'utf8'),
      readFile(join(stateDir, 'admin-token'), 'utf8').then((text) => text.trim()),
    ])
    const trust = async () => ({ca: await pinnedCa({url, token}, context.environment)})
    const {version, startedAt} = await fleetHttp({url, token, trust}).json<Status>('GET', '/v1/status')
    saveProfile({url, token, createsProjects: true, stateDir}, context)
    const age = formatAge(Date.now() - startedAt)
    context.print.line(`Hearth ${version} runs at ${url} since ${formatMoment(startedAt)} (${age})`)
    return true
  } catch {
    return false // whatever the reason: the store's lock decides whether one runs
  }
}

/** `2026-11-25 22:18`, in this machine's zone. */
const formatMoment = (at: number): string => {
  const time = new Date(at)
  const [month, day, hour, minute] = [time.getMonth() + 1, time.getDate(), time.getHours(), time.getMinutes()].map(
    (part) => String(part).padStart(2, '0'),
  )
  return `${time.getFullYear()}-${month}-${day} ${hour}:${minute}`
}

/** For this user, and for the one who called sudo. A home that can't be written to costs only the convenience. */
export const saveProfile = (profile: Profile, {environment, print}: Context): void => {
  try {
    writeProfile(profile, {environment, alsoFor: environment['SUDO_USER'] ?? null})
  } catch (error) {
    print.note(`the profile could not be saved (${(error as Error).message}), so set for other commands:`)
    print.note(`  HEARTH_URL=${profile.url} HEARTH_TOKEN="$(cat ${join(profile.stateDir ?? '', 'admin-token')})"`)
  }
}
