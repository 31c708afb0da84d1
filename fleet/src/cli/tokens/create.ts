import type {CreatedToken, CreateToken, Status} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {checkProjectName} from '../build/project.ts'
import {UsageError} from '../failures.ts'
import {hinted, show, type VerbContext, verb, withOutput} from '../verb.ts'

export const createCommand = (context: VerbContext) =>
  verb({
    command: 'create',
    describe: 'Make a token; its text is shown this once',
    builder: (args) =>
      withOutput(args)
        .option('kind', {
          choices: ['project', 'admin', 'join'] as const,
          default: 'project' as const,
          describe: 'for builds of some projects, for everything, or to join one host',
        })
        .option('name', {type: 'string', default: '', describe: 'what people call it'})
        .option(
          'project',
          hinted({
            type: 'string',
            array: true,
            default: [] as string[],
            completes: 'projects',
            describe: 'what it may build; may be repeated',
          }),
        )
        .option('untrusted', {
          type: 'boolean',
          default: false,
          describe: "its builds read the projects' caches, but leave nothing in them",
        })
        .option('expires', hinted({type: 'string', value: 'TIME', describe: 'after this time, such as 90d'})),
    handler: async ({kind, name, project, untrusted, expires, output}) => {
      if (kind === 'project' && project.length === 0)
        throw new UsageError('what may it build? add --project NAME, or --kind admin or join for another kind of token')
      if (kind !== 'project' && untrusted)
        throw new UsageError(
          `--untrusted is for tokens of kind project: one of kind ${kind} could make itself a trusted one`,
        )
      for (const each of project) checkProjectName(each, '--project')
      const request: CreateToken = {
        kind,
        ...(name && {name}),
        ...(project.length > 0 && {projects: project}),
        ...(untrusted && {trust: 'untrusted'}),
        ...(expires !== undefined && {expiresInMs: durationOf(expires)}),
      }
      const made = await context.fleet().json<CreatedToken>('POST', '/v1/tokens', request)
      await show(context, output, made, () => made.token)
      if (output === 'table') await tellUse(kind, made.token, context)
    },
  })

/** Said beside the token, which alone goes to stdout. */
const tellUse = async (kind: CreateToken['kind'], token: string, {fleet, print}: VerbContext): Promise<void> => {
  const {url} = await fleet().json<Status>('GET', '/v1/status')
  print.note(kind === 'join' ? 'It joins one host, within an hour, and is shown this once.' : 'It is shown this once.')
  if (kind !== 'join') return print.note(`To use it: export HEARTH_URL=${url} HEARTH_TOKEN=<the token>`)
  if (!isLoopbackUrl(url)) return print.note(`On the host: hearth-agent --fleet ${url} --join ${token}`)
  print.note('This fleet listens on loopback only: another machine can join once it was started anew with')
  print.note(`--listen 0.0.0.0:${new URL(url).port}`)
}

const isLoopbackUrl = (url: string): boolean => /^http:\/\/(localhost|127\.|\[::1\])/.test(url)

const durationOf = (text: string): number => {
  const durationMs = parseDuration(text)
  if (durationMs === null || durationMs < 1)
    throw new UsageError(`--expires is '${text}', but must be a duration such as 90d`)
  return durationMs
}
