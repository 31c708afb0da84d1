import type {CacheDetail} from '@hearth/proto/api'

/** What builds start from now, one line for each architecture. */
export const headLines = (caches: readonly CacheDetail[]): string =>
  caches
    .map(({project, architecture, generations, pinned}) => {
      const number = generations.find(({head}) => head)?.number
      const start = number === undefined ? 'start empty' : `start from generation ${number}`
      return `builds of ${project} on ${architecture} ${start}${pinned ? ', and leave it as it is' : ''}`
    })
    .join('\n')
