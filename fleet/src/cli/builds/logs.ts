import {apiPath, type VerbContext, verb, withBuild} from '../verb.ts'

export const logsCommand = (context: VerbContext) =>
  verb({
    command: 'logs <id>',
    describe: "Print a build's log",
    builder: (args) =>
      withBuild(args).option('architecture', {
        choices: ['amd64', 'arm64'] as const,
        describe: 'of a build with several',
      }),
    handler: async ({id, architecture}) => {
      const query = architecture ? `?architecture=${architecture}` : ''
      const log = await context.fleet().text(`${apiPath('builds', id, 'logs')}${query}`)
      context.print.line(log.trimEnd())
    },
  })
