import {buildCommand} from './build/build.ts'
import type {Context} from './context.ts'
import {runProgram} from './program.ts'
import {version} from './version.ts'

/** All commands. The launcher takes build-main.ts for `build`, which starts faster; here it is for whoever runs this file itself. */
const run = async ([command, ...rest]: readonly string[], context: Context): Promise<number> => {
  if (command === '--version' && rest.length === 0) {
    context.print.line(`hearth ${version}`)
    return 0
  }
  if (command === 'build') return await buildCommand(rest, context)
  const {runCommand} = await import('./commands.ts')
  return await runCommand(command === undefined ? [] : [command, ...rest], context)
}

void runProgram(run)
