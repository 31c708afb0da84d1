import {readFileSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import type {WhoAmI} from '@hearth/proto/api'
import {UsageError} from '../failures.ts'
import type {Connection} from '../profile.ts'
import {gitOwnerAndName} from './git-remote.ts'

export type ChosenProject = {
  readonly name: string
  /** The name was guessed from the directory: `hearth up` may make the project. */
  readonly create: boolean
}

const namePattern = /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/

/**
 * In this order: `--project`, HEARTH_PROJECT, the nearest hearth.json upwards, the token's only project, the Git remote, the
 * directory's name; the last two only where builds create projects. `whoAmI` is asked only if the profile doesn't know.
 */
export const resolveProject = async ({
  flag,
  environment,
  directory,
  connection,
  whoAmI,
}: {
  flag: string | null
  environment: NodeJS.ProcessEnv
  directory: string
  connection: Connection
  whoAmI: () => Promise<WhoAmI>
}): Promise<ChosenProject> => {
  if (flag !== null) return named(flag, '--project', connection)
  const variable = environment['HEARTH_PROJECT']
  if (variable) return named(variable, 'HEARTH_PROJECT', connection)
  const file = nearestFile(directory)
  if (file) return named(file.project, file.path, connection)
  const {only, creates} = await rights(connection, whoAmI)
  if (only !== null) return {name: only, create: false}
  if (!creates) throw new UsageError('no project: add --project or hearth.json')
  const guess = cleanName(gitOwnerAndName(directory) ?? basename(directory)) ?? cleanName(basename(directory))
  if (!guess) throw new UsageError(`no project: no name can be made of ${directory}: add --project or hearth.json`)
  return {name: guess, create: true}
}

/** A name that was given is also made by a fleet that lets builds create projects; the others ignore the wish. */
const named = (name: string, where: string, connection: Connection): ChosenProject => ({
  name: checkProjectName(name, where),
  create: connection.createsProjects === true,
})

/** Returns the name. Throws `UsageError`, naming the nearest that can be one; `where` is who said it. */
export const checkProjectName = (name: string, where: string): string => {
  if (namePattern.test(name) && name.length <= 128) return name
  const clean = cleanName(name)
  throw new UsageError(
    `${where}: '${name}' can't be a project's name${clean ? `: did you mean ${clean}?` : ' (a-z, 0-9, . _ - /)'}`,
  )
}

const rights = async (
  connection: Connection,
  whoAmI: () => Promise<WhoAmI>,
): Promise<{only: string | null; creates: boolean}> => {
  if (connection.onlyProject !== undefined) return {only: connection.onlyProject, creates: false}
  if (connection.createsProjects === true) return {only: null, creates: true}
  const {projects, createsProjects} = await whoAmI()
  return {only: projects?.length === 1 ? (projects[0] ?? null) : null, creates: createsProjects}
}

/** Lower case; what a name can't hold becomes a dash. Null if nothing is left. */
export const cleanName = (text: string): string | null => {
  const parts = text
    .toLowerCase()
    .split('/')
    .map((part) =>
      part
        .replaceAll(/[^a-z0-9._-]+/g, '-')
        .replace(/^[^a-z0-9]+/, '')
        .replace(/-+$/, ''),
    )
    .filter((part) => part !== '')
  return parts.length === 0 ? null : parts.join('/').slice(0, 128)
}

const nearestFile = (directory: string): {path: string; project: string} | null => {
  const path = join(directory, 'hearth.json')
  const text = readText(path)
  if (text === null) return dirname(directory) === directory ? null : nearestFile(dirname(directory))
  const project = projectOf(text, path)
  return project === null ? null : {path, project}
}

const readText = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR')) return null
    throw new UsageError(`${path} can't be read`, {cause: error})
  }
}

const projectOf = (text: string, path: string): string | null => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new UsageError(`${path} is not JSON: ${cause instanceof Error ? cause.message : ''}`, {cause})
  }
  if (typeof value !== 'object' || value === null || !('project' in value)) return null
  if (typeof value.project === 'string') return value.project
  throw new UsageError(`${path}: project is a name, not ${JSON.stringify(value.project)}`)
}
