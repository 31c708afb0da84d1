import {nearest} from '@hearth/proto/nearest'
import {mayUse, requireProject} from '../access.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Principal} from '../fleet.ts'
import type {ProjectRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'

/** The project of this name, if it is the caller's. Throws `ApiFailure` 403, or 404 with the nearest name. */
export const findProject = async (tx: Tx, name: string, by: Principal): Promise<ProjectRecord> => {
  requireProject(by, name)
  const [project] = await tx.projects.list({name}, {limit: 1})
  if (project) return project
  const known = (await tx.projects.list()).flatMap((each) => (mayUse(by, each.name) ? [each.name] : []))
  const near = nearest(name, known)
  const hint = near ? `did you mean ${near}?` : '`hearth projects` shows them'
  throw new ApiFailure(404, 'not-found', `there is no project ${name}: ${hint}`)
}
