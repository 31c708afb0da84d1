import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'
import {InfrastructureError} from './failures.ts'

/** A program of the pinned toolchain: HEARTH_<NAME>, what set-up made, or PATH. Throws `InfrastructureError` with what to do. */
export const findTool = (name: string, environment: NodeJS.ProcessEnv, programDirectory: string): string => {
  const chosen = environment[`HEARTH_${name.toUpperCase()}`]
  if (chosen) return chosen
  const beside = ['../../../build/toolchain/bin', '../../toolchain/bin'].map((path) => join(programDirectory, path))
  const found = [...beside, ...(environment['PATH'] ?? '').split(delimiter)]
    .map((path) => join(path, name))
    .find(isProgram)
  if (found) return found
  throw new InfrastructureError(
    `${name} is not here: run make setup in Hearth's checkout, or set HEARTH_${name.toUpperCase()} to its path`,
  )
}

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
