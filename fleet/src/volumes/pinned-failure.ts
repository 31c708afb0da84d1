import {ApiFailure} from '../api-failure.ts'
import type {VolumeRecord} from '../store/records.ts'

/** What is fixed is not lost by the way. */
export const pinnedFailure = ({projectName, architecture}: VolumeRecord, what: string) =>
  new ApiFailure(
    409,
    'pinned',
    `${projectName} on ${architecture} is pinned: \`hearth caches unpin ${projectName}\`, then ${what}`,
  )
