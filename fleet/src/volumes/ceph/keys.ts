import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {CopyId, Epoch} from '@hearth/proto/ids'
import {CopyMissingError, EpochFencedError} from '@hearth/proto/volume-errors'
import type {Claim} from '../../storage/shared-storage.ts'
import {errno} from './asked.ts'
import {type Cluster, unless, unlessLocked} from './cluster.ts'
import {claimKey, imageOf, type Looks, type Mark, nobody} from './image.ts'
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

/** What this fleet, which alone gives copies out, knows of a copy without asking: a program takes a tenth of a second and more. */
export type KnownCopy = {
  /** The last that was given out or is written down. */
  readonly claim: Mark | null
  /** Null: to be looked up. */
  readonly ancestors: readonly CopyId[] | null
  /** Made, and not given out yet. */
  readonly key: string | null
}
export type Known = Map<CopyId, KnownCopy>

/** Copies have been flattened: who read from them has fewer ancestors now, and a key for those needs other caps. */
export const forgetAncestors = (known: Known): void => {
  for (const [copy, each] of known) known.set(copy, {...each, ancestors: null, key: null})
}

type Deps = {readonly cluster: Cluster; readonly looks: Looks; readonly settings: CephSettings; readonly known: Known}

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
  const {settings, known} = deps
  const ours = known.get(copy)
  const before = ours ?? (await lookAt(copy, deps, signal))
  refuseLate(copy, claim, before.claim)
  const isAhead = before.claim?.epoch === claim.epoch && before.claim.builder === null
  if (isAhead && !ours) await requireUntouched(copy, claim, deps, signal)
  known.delete(copy) // until it is known what came of this
  const isStaked = isSame(claim, before.claim) || (isAhead && ours !== undefined)
  const ancestors = before.ancestors ?? (await ancestorsOf(copy, deps, signal))
  const staked = isStaked ? null : stake(copy, claim, deps, signal)
  const [key] = await Promise.all([before.key ?? freshKey(copy, ancestors, deps, signal), staked])
  known.set(copy, {claim, ancestors, key: null})
  return {monitors: [...settings.monitors], pool: settings.pool, namespace: copy, image: copy, user: userOf(copy), key}
}

/**
 * Does ahead what the next host that asks would wait for, once the copy is sealed: makes its key, which nobody has yet, and claims the
 * epoch after `epoch`, the last that was had, for whichever builder it will be. This fleet knows that nobody has had that one; another,
 * or this one after a restart, believes it of an image that is still as it was sealed.
 */
export const prepare = async (copy: CopyId, epoch: Epoch, deps: Deps, signal: AbortSignal): Promise<void> => {
  const {known} = deps
  const before = known.get(copy) ?? (await lookAt(copy, deps, signal))
  if ((before.claim?.epoch ?? 0) > epoch) return // prepared already; or by a store that is newer than this fleet's
  known.delete(copy)
  const claim = {epoch: (epoch + 1) as Epoch, builder: null}
  const ancestors = before.ancestors ?? (await ancestorsOf(copy, deps, signal))
  const [key] = await Promise.all([freshKey(copy, ancestors, deps, signal), stake(copy, claim, deps, signal)])
  known.set(copy, {claim, ancestors, key})
}

/** Claimed ahead by a fleet that may be gone: was the epoch had, and is it only a restored store that does not know? */
const requireUntouched = async (copy: CopyId, {epoch}: Claim, {looks}: Deps, signal: AbortSignal): Promise<void> => {
  const used = await looks.used(copy, signal)
  if (!used) throw new CopyMissingError(missingText(copy))
  if (used.copyBytes > 0)
    throw new EpochFencedError(lateText(copy, `epoch ${epoch} (something was written to it since it was sealed)`))
}

/** Throws `EpochFencedError` if the copy was claimed later than this, or for another builder. */
export const requireLast = async (copy: CopyId, claim: Claim, deps: Deps, signal: AbortSignal): Promise<void> => {
  const {claim: last} = deps.known.get(copy) ?? (await lookAt(copy, deps, signal))
  refuseLate(copy, claim, last)
}

const lookAt = async (copy: CopyId, deps: Deps, signal: AbortSignal): Promise<KnownCopy> => {
  const [marks, ancestors] = await Promise.all([deps.looks.marks(copy, signal), ancestorsOf(copy, deps, signal)])
  if (!marks?.made || marks.deleted) throw new CopyMissingError(missingText(copy))
  return {claim: marks.claim, ancestors, key: null}
}

const freshKey = async (
  copy: CopyId,
  ancestors: readonly CopyId[],
  deps: Deps,
  signal: AbortSignal,
): Promise<string> => {
  const caps = osdCaps(deps.settings.pool, copy, ancestors)
  let key = await makeKey(copy, caps, deps, signal)
  if (key === null) {
    await revoke(copy, deps, signal) // its ancestors are others now: they were flattened away
    key = await makeKey(copy, caps, deps, signal)
  }
  if (key === null) throw new Error(`the key of copy ${copy} changes under our hands: is another fleet at work on it?`)
  return key
}

const isSame = (claim: Claim, last: Mark | null): boolean =>
  last?.epoch === claim.epoch && last.builder === claim.builder

const refuseLate = (copy: CopyId, claim: Claim, last: Mark | null): void => {
  if (!last || isSame(claim, last) || last.epoch < claim.epoch) return
  if (last.epoch === claim.epoch && last.builder === null) return
  throw new EpochFencedError(lateText(copy, `epoch ${last.epoch} (builder ${last.builder ?? 'not known'})`))
}

const lateText = (copy: CopyId, under: string): string =>
  `copy ${copy} was attached under ${under}, of which this fleet's store knows nothing: ` +
  'it is older than the storage. The copy is given up; the next build starts on a clone of the last good generation'

const stake = async (copy: CopyId, {epoch, builder}: Mark, {cluster, settings}: Deps, signal: AbortSignal) => {
  const what = `copy ${copy} can't be claimed for ${builder === null ? 'its next builder' : `builder ${builder}`}`
  const expected = [errno.missing, errno.readOnly]
  const command = ['image-meta', 'set', imageOf(copy, settings), claimKey, `${copy} ${epoch} ${builder ?? nobody}`]
  const said = unless([errno.missing], cluster.rbd(command, {what, expected}, signal))
  if ((await unlessLocked(what, said)) === null) throw new CopyMissingError(missingText(copy))
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
export const revoke = async (
  copy: CopyId,
  {cluster, known}: {readonly cluster: Cluster; readonly known?: Known},
  signal: AbortSignal,
): Promise<void> => {
  const asked = {what: `the key of copy ${copy} can't be revoked`}
  await cluster.ceph(['auth', 'rm', `client.${userOf(copy)}`], asked, signal)
  const before = known?.get(copy)
  if (before) known?.set(copy, {...before, key: null})
}
