import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {CreateBuild, WhoAmI} from '@hearth/proto/api'
import type {Context} from '../context.ts'
import {exitCodes} from '../failures.ts'
import {findTool} from '../tools.ts'
import {createClientKey, createRequestKey} from './client-key.ts'
import {checkDocker} from './docker-load.ts'
import {parseBuild} from './flags.ts'
import {buildHelp} from './help.ts'
import {ignoredCacheFlags} from './messages.ts'
import {type BuildPlan, planBuild} from './plan.ts'
import {resolveProject} from './project.ts'
import {runBuild} from './run-build.ts'

/** `hearth build`: returns the exit code, and has said why. Throws what main prints: usage errors, an absent fleet. */
export const buildCommand = async (argv: readonly string[], context: Context): Promise<number> => {
  const parsed = parseBuild(argv)
  if (parsed.flags.help) {
    context.print.line(buildHelp())
    return exitCodes.done
  }
  const scratch = makeScratch(context.environment)
  try {
    const plan = await planBuild(parsed, {...context, scratch, nodeArchitecture: process.arch})
    const ignored = ignoredCacheFlags(parsed.flags['cache-from'], parsed.flags['cache-to'])
    if (ignored) context.print.note(ignored)
    return await build({plan, scratch, projectFlag: parsed.flags.project, untrusted: parsed.flags.untrusted}, context)
  } finally {
    rmSync(scratch, {recursive: true, force: true})
  }
}

/** Keys and certificates lie here: 0700, in memory where the session has such a place, gone with this process. */
const makeScratch = ({XDG_RUNTIME_DIR}: NodeJS.ProcessEnv): string => {
  const scratch = mkdtempSync(join(XDG_RUNTIME_DIR || tmpdir(), 'hearth-'))
  process.on('exit', () => rmSync(scratch, {recursive: true, force: true}))
  return scratch
}

type Job = {
  readonly plan: BuildPlan
  readonly scratch: string
  readonly projectFlag: string | null
  readonly untrusted: boolean
}

const build = async ({plan, scratch, projectFlag, untrusted}: Job, context: Context): Promise<number> => {
  const buildctl = findTool('buildctl', context.environment, context.programDirectory)
  if (plan.outputs.load !== null) await checkDocker()
  const {connection, fleet} = context.connect()
  const project = await resolveProject({
    flag: projectFlag,
    environment: context.environment,
    directory: plan.projectDirectory,
    connection,
    whoAmI: () => fleet.json<WhoAmI>('GET', '/v1/whoami'),
  })
  const key = createClientKey()
  const request: CreateBuild = {
    key: createRequestKey(),
    project: project.name,
    ...(project.create ? {createProject: true} : {}),
    architectures: [...plan.architectures],
    publicKey: key.publicKey,
    ...(untrusted ? {trust: 'untrusted'} : {}),
  }
  return runBuild(
    {plan, scratch, buildctl, privateKeyPem: key.privateKeyPem, request, fleet},
    {print: context.print, signal: context.interrupt()},
  )
}
