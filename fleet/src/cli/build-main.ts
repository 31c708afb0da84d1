import {buildCommand} from './build/build.ts'
import {runProgram} from './program.ts'

// `hearth build` alone, bundled by itself (scripts/bundle.ts): the command that people wait for loads nothing of the others.

void runProgram(async ([, ...argv], context) => await buildCommand(argv, context))
