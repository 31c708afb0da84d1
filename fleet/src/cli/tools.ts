import {accessSync, constants} from 'node:fs'
import {delimiter, dirname, join} from 'node:path'
import {InfrastructureError} from './failures.ts'

/**
 * A program of the pinned toolchain: HEARTH_<NAME>, then what set-up put into build/toolchain/bin of the directory that this
 * program belongs to (sources or bundle), then PATH. Throws `InfrastructureError` with what to do.
 */
export const findTool = (name: string, environment: NodeJS.ProcessEnv, programDirectory: string): string => {
  const variable = `HEARTH_${name.toUpperCase()}`
  const chosen = environment[variable]
  if (chosen && !isProgram(chosen)) throw new InfrastructureError(`${variable} is ${chosen}, which is not a program`)
  if (chosen) return chosen
  const setUp = ancestors(programDirectory).map((directory) => join(directory, 'build', 'toolchain', 'bin'))
  const searched = (environment['PATH'] ?? '').split(delimiter).filter((path) => path !== '')
  const found = [...setUp, ...searched].map((path) => join(path, name)).find(isProgram)
  if (found) return found
  throw new InfrastructureError(
    `${name} is not here: run make setup in Hearth's checkout, or set ${variable} to its path`,
  )
}

const ancestors = (directory: string): readonly string[] =>
  dirname(directory) === directory ? [directory] : [directory, ...ancestors(dirname(directory))]

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // not there, or not ours to run: the next place is tried
  }
}
