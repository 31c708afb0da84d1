import type {Host} from '@hearth/proto/api'
import {count} from '../format.ts'

/** The builds that a host is waited for: `web (b-7f3), api (b-2aa)`. */
export const runningBuilds = ({builders, slots}: Pick<Host, 'builders' | 'slots'>): string => {
  const named = builders.flatMap(({project, build}) => (build ? [`${project} (${build})`] : []))
  return named.length > 0 ? named.join(', ') : count(slots.busy, 'build')
}
