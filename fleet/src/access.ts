import {ApiFailure} from './api-failure.ts'
import type {Principal} from './fleet.ts'

export const requireAdmin = (by: Principal) => {
  if (by.kind !== 'admin')
    throw new ApiFailure(403, 'forbidden', 'this needs an admin token: yours is for projects only')
}

export const mayUse = (by: Principal, project: string): boolean => by.projects === null || by.projects.includes(project)

export const requireProject = (by: Principal, project: string) => {
  if (mayUse(by, project)) return
  const theirs = by.projects?.join(', ') || 'no project'
  throw new ApiFailure(403, 'forbidden', `your token is for ${theirs}, not for ${project}: ask for one that is`)
}

/** What was made untrusted (a fork's build, say) has no say about the caches and builds of others. */
export const requireTrusted = (by: Principal, what: string) => {
  if (by.trust === 'trusted') return
  throw new ApiFailure(
    403,
    'untrusted',
    `your token is untrusted and may not ${what}: use a trusted one of this project`,
  )
}

export const notFound = (what: string, id: string, list: string) =>
  new ApiFailure(404, 'not-found', `there is no ${what} ${id}: \`${list}\` shows them`)
