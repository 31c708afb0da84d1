import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {CopyId} from '@hearth/proto/ids'
import {CopyMissingError, EpochFencedError} from '@hearth/proto/volume-errors'
import type {Claim} from '../../storage/shared-storage.ts'
import {errno} from './asked.ts'
import {type Cluster, unless, unlessLocked} from './cluster.ts'
import {claimKey, imageOf, type Looks} from './image.ts'
import type {CephSettings} from './settings.ts'

// Each copy has a key of its own. It can write in the copy's namespace and read in those of its ancestors, whose objects a clone shares;
// `mon 'allow r'` lets it neither break a lock nor shut another client out. The secret lives in Ceph only.

const userOf = (copy: CopyId): string => `hearth-copy-${copy}`

/** What the host's key for a copy may do on the OSDs. The fleet's own key can make no other caps than of this form (docs/ceph.md). */
export const osdCaps = (pool: string, copy: CopyId, ancestors: readonly CopyId[]): string =>
  [
    `profile rbd pool=${pool} namespace=${copy}`,
    ...ancestors.map((ancestor) => `profile rbd-read-only pool=${pool} namespace=${ancestor}`),
  ].join(', ')

type Deps = {readonly cluster: Cluster; readonly looks: Looks; readonly settings: CephSettings}

/** Nearest first. */
export const ancestorsOf = async (copy: CopyId, {looks}: Deps, signal: AbortSignal): Promise<readonly CopyId[]> => {
  const found = await looks.parent(copy, signal)
  if (!found) throw new CopyMissingError(missingText(copy))
  return found.parent === null ? [] : [found.parent, ...(await ancestorsOf(found.parent, {looks} as Deps, signal))]
}

const missingText = (copy: CopyId): string =>
  `copy ${copy} is not in Ceph: it was deleted, by Hearth or behind its back. The next build starts on another copy`

/**
 * What a host needs to attach the copy. Makes the key if there is none; asked again, it is the same key. Throws `CopyMissingError` for
 * a copy that is not whole or is being deleted, and `EpochFencedError` if the image was claimed already for a later epoch or another
 * builder: then the fleet's store is older than Ceph.
 */
export const credentials = async (
  copy: CopyId,
  claim: Claim,
  deps: Deps,
  signal: AbortSignal,
): Promise<CephCredentials> => {
  const {looks, settings} = deps
  const [marks, ancestors] = await Promise.all([looks.marks(copy, signal), ancestorsOf(copy, deps, signal)])
  if (!marks?.made || marks.deleted) throw new CopyMissingError(missingText(copy))
  refuseLate(copy, claim, marks.claim)
  const caps = osdCaps(settings.pool, copy, ancestors)
  const staked = isSame(claim, marks.claim) ? null : stake(copy, claim, deps, signal)
  let [key] = await Promise.all([makeKey(copy, caps, deps, signal), staked])
  if (key === null) {
    await revoke(copy, deps, signal) // its ancestors are others now: they were flattened away
    key = await makeKey(copy, caps, deps, signal)
  }
  if (key === null) throw new Error(`the key of copy ${copy} changes under our hands: is another fleet at work on it?`)
  return {monitors: [...settings.monitors], pool: settings.pool, namespace: copy, image: copy, user: userOf(copy), key}
}

const isSame = (claim: Claim, last: Claim | null): boolean =>
  last?.epoch === claim.epoch && last.builder === claim.builder

const refuseLate = (copy: CopyId, claim: Claim, last: Claim | null): void => {
  if (!last || isSame(claim, last) || last.epoch < claim.epoch) return
  throw new EpochFencedError(
    `copy ${copy} was attached under epoch ${last.epoch} (builder ${last.builder}), of which this fleet's store knows nothing: ` +
      'it is older than the storage. The copy is given up; the next build starts on a clone of the last good generation',
  )
}

const stake = async (copy: CopyId, {epoch, builder}: Claim, {cluster, settings}: Deps, signal: AbortSignal) => {
  const what = `copy ${copy} can't be claimed for builder ${builder}`
  const command = ['image-meta', 'set', imageOf(copy, settings), claimKey, `${copy} ${epoch} ${builder}`]
  await unlessLocked(what, cluster.rbd(command, {what, expected: [errno.readOnly]}, signal))
}

/** Null if there is one already, with other caps. */
const makeKey = async (copy: CopyId, caps: string, {cluster}: Deps, signal: AbortSignal): Promise<string | null> => {
  const command = ['auth', 'get-or-create', `client.${userOf(copy)}`, 'mon', 'allow r', 'osd', caps]
  const asked = {what: `the key of copy ${copy} can't be made`, expected: [errno.invalid]}
  const said = await unless([errno.invalid], cluster.ceph(command, asked, signal))
  if (said === null) return null
  const [, key] = /^\s*key = (\S+)$/m.exec(said) ?? []
  if (!key) throw new Error(`Ceph gave no key for copy ${copy}`)
  return key
}

/** From now on nobody new can open the copy. Who has it open keeps it: that is what a fence is for. Idempotent. */
export const revoke = async (copy: CopyId, {cluster}: Pick<Deps, 'cluster'>, signal: AbortSignal): Promise<void> => {
  const asked = {what: `the key of copy ${copy} can't be revoked`}
  await cluster.ceph(['auth', 'rm', `client.${userOf(copy)}`], asked, signal)
}
