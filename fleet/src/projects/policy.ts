import type {CachePolicy, SetProject} from '@hearth/proto/api'
import type {Policy} from '../policy.ts'
import type {CopyRecord, GenerationRecord, ProjectRecord} from '../store/records.ts'

/** What holds for the caches of a project: what was set for it, else the fleet's policy. Null: it is no more. */
export const projectPolicy = (
  {policy}: {readonly policy: Policy},
  project: Pick<ProjectRecord, 'cachePolicy'> | null,
): CachePolicy => ({
  cacheSizeBytes: policy.volumeSizeBytes,
  cacheAgeMs: policy.cacheAgeMs,
  generations: policy.keepGenerations,
  promote: policy.promote,
  ...project?.cachePolicy,
})

/** What a request sets; null takes back what was set before, so that the fleet's policy holds again. */
export const changedPolicy = (own: ProjectRecord['cachePolicy'], wanted: SetProject): Partial<CachePolicy> =>
  Object.fromEntries(Object.entries({...own, ...wanted}).filter(([, value]) => value !== null && value !== undefined))

/** Of a new copy. What it is cloned from can't get smaller. */
export const newCopyBytes = (
  core: {readonly policy: Policy},
  project: ProjectRecord | null,
  from: Pick<GenerationRecord, 'sizeBytes'> | null,
): number => {
  const {cacheSizeBytes} = projectPolicy(core, project)
  return from ? Math.max(cacheSizeBytes, from.sizeBytes ?? core.policy.volumeSizeBytes) : cacheSizeBytes
}

/** What BuildKit's cache may fill of a copy: always less than the copy has, and than the project may. */
export const cacheBudgetBytes = (
  core: {readonly policy: Policy},
  project: ProjectRecord | null,
  {sizeBytes = core.policy.volumeSizeBytes}: Pick<CopyRecord, 'sizeBytes'>,
): number =>
  Math.floor(Math.min(projectPolicy(core, project).cacheSizeBytes, sizeBytes) * core.policy.maxUsedSpaceShare)
