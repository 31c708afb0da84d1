import type {Architecture} from '@hearth/proto/common'
import type {BuildId, HostId} from '@hearth/proto/ids'
import {ApiFailure} from '../api-failure.ts'
import type {Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import {findBuild} from './builds.ts'

/** See `Fleet.buildLog`. */
export const buildLog = async (
  core: Core,
  id: string,
  architecture: Architecture | null,
  by: Principal,
): Promise<string | null> =>
  await core.store.transaction(async (tx) => {
    const build = await findBuild(tx, id, by)
    const logs = await tx.logs.list({build: build.id})
    const wanted = logs.filter((log) => architecture === null || log.architecture === architecture)
    return wanted.length === 0 ? null : wanted.map(({text}) => text).join('\n')
  })

/** See `Fleet.storeLog`. */
export const storeLog = async (
  core: Core,
  host: HostId,
  build: BuildId,
  architecture: Architecture,
  text: string,
): Promise<void> =>
  await core.store.transaction(async (tx) => {
    const leases = await tx.leases.list({build})
    if (!leases.some((lease) => lease.architecture === architecture && lease.host === host))
      throw new ApiFailure(404, 'not-found', `host ${host} served no lease of build ${build}`)
    await tx.logs.put({
      id: `${build} ${architecture}`,
      build,
      architecture,
      text: cut(text, core.policy.logMaxCharacters),
    })
  })

const cut = (text: string, most: number): string => {
  if (text.length <= most) return text
  const half = Math.floor(most / 2)
  return `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters cut …]\n${text.slice(-half)}`
}
