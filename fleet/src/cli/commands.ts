import type {Build, Cache, CreatedToken, Host, Project, Status, Token} from '@hearth/proto/api'
import {nearest} from '@hearth/proto/nearest'
import yargs, {type Argv} from 'yargs'
import type {Context} from './context.ts'
import {drain} from './drain.ts'
import {exitCodes, UsageError} from './failures.ts'
import {formatAge, formatBytes, formatDuration} from './format.ts'
import {table} from './table.ts'
import {version} from './version.ts'

const nouns = [
  'up',
  'down',
  'status',
  'build',
  'builds',
  'hosts',
  'projects',
  'caches',
  'tokens',
  'logs',
  'cancel',
  'cordon',
  'uncordon',
  'drain',
  'completion',
]

/** Every command but `build`. Returns the exit code. */
export const runCommand = async (argv: readonly string[], context: Context): Promise<number> => {
  const [first] = argv
  if (first && !first.startsWith('-') && !nouns.includes(first)) {
    const meant = nearest(first, nouns)
    throw new UsageError(
      `there is no command '${first}'${meant ? `; did you mean ${meant}?` : ': hearth --help lists them'}`,
    )
  }
  let code: number = exitCodes.done
  const set = (next: number) => {
    code = next
  }
  const parser = commandsOf(context, set)
    .scriptName('hearth')
    .usage('$0 <command>')
    .version(`hearth ${version}`)
    .help()
    .alias('help', 'h')
    .parserConfiguration({'boolean-negation': false, 'greedy-arrays': false, 'dot-notation': false})
    .strict()
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      throw error ?? new UsageError(message.split('\n')[0] ?? 'wrong usage')
    })
  if (argv.length === 0) {
    context.print.line(await parser.getHelp())
    return exitCodes.usage
  }
  await parser.parseAsync([...argv])
  return code
}

type SetCode = (code: number) => void
type Format = 'table' | 'json' | 'yaml'

const withOutput = <T>(args: Argv<T>) =>
  args.option('output', {
    alias: 'o',
    choices: ['table', 'json', 'yaml'] as const,
    default: 'table' as const,
    describe: 'form of the answer',
  })

const show = async (context: Context, format: Format, value: unknown, text: () => string): Promise<void> => {
  if (format === 'json') context.print.line(JSON.stringify(value, null, 2))
  else if (format === 'yaml') context.print.line((await import('yaml')).stringify(value).trimEnd())
  else context.print.line(text())
}

const commandsOf = (context: Context, setCode: SetCode): Argv => {
  const {print} = context
  const api = () => context.connect().fleet
  const path = (...parts: readonly string[]) => `/v1/${parts.map(encodeURIComponent).join('/')}`
  const builds = () => async (o: Format) => {
    const list = await api().json<readonly Build[]>('GET', '/v1/builds')
    await show(context, o, list, () => buildsTable(list))
  }
  const showLog = async (id: string) => print.line((await api().text(path('builds', id, 'logs'))).trimEnd())
  const cancel = async (id: string, reason: string) => {
    const build = await api().json<Build>('POST', path('builds', id, 'cancel'), reason ? {reason} : {})
    print.line(`${build.id} ${build.state === 'running' ? 'is being cancelled' : build.state}`)
  }
  const hostAct = async (host: string, act: string, body: object = {}) => {
    const after = await api().json<Host>('POST', path('hosts', host, act), body)
    print.line(`${after.name} ${after.drain ? 'draining' : after.schedulable ? 'schedulable' : 'cordoned'}`)
  }
  const id = <T>(args: Argv<T>) =>
    args.positional('id', {type: 'string', demandOption: true, describe: 'its id, or the beginning of it'})
  const host = <T>(args: Argv<T>) =>
    args.positional('host', {type: 'string', demandOption: true, describe: 'host id or name'})
  const name = <T>(args: Argv<T>) =>
    args.positional('name', {type: 'string', demandOption: true, describe: 'name of the project'})
  return (yargs([]) as Argv)
    .command('up', 'Run a fleet and an agent on this machine', upFlags, async (flags) => {
      const {up} = await import('./up.ts')
      setCode(await up(flags, context))
    })
    .command('down', 'End the Hearth of this machine; caches are kept', downFlags, async (flags) => {
      const {down} = await import('./down.ts')
      setCode(await down(flags, context))
    })
    .command('status', 'The fleet at a glance; exit 1 if anything is wrong', withOutput, async ({output}) => {
      const status = await api().json<Status>('GET', '/v1/status')
      await show(context, output, status, () => statusText(status))
      if (status.problems.length > 0) setCode(exitCodes.failed)
    })
    .command(
      'build [path]',
      'Build an image (hearth build --help)',
      (args) => args,
      () => undefined,
    )
    .command(
      'builds',
      'List builds',
      (args) =>
        withOutput(args)
          .command(
            'show <id>',
            'Show one build',
            (each) => withOutput(id(each)),
            async (each) => {
              const build = await api().json<Build>('GET', path('builds', each.id))
              await show(context, each.output, build, () => buildText(build))
            },
          )
          .command('logs <id>', "Print a build's log", id, async (each) => showLog(each.id))
          .command(
            'cancel <id>',
            'Cancel a build',
            (each) => id(each).option('reason', {type: 'string', default: ''}),
            async (each) => cancel(each.id, each.reason),
          )
          .command(
            '$0',
            false,
            (each) => each,
            async (each) => builds()((each as {output?: Format}).output ?? 'table'),
          ),
      () => undefined,
    )
    .command(
      'hosts',
      'List hosts',
      (args) =>
        withOutput(args)
          .command(
            'show <host>',
            'Show one host',
            (each) => withOutput(host(each)),
            async (each) => {
              const one = await api().json<Host>('GET', path('hosts', each.host))
              await show(context, each.output, one, () => hostsTable([one]))
            },
          )
          .command('cordon <host>', 'Give it no new builds', host, async (each) => hostAct(each.host, 'cordon'))
          .command('uncordon <host>', 'Give it builds again', host, async (each) => hostAct(each.host, 'uncordon'))
          .command(
            'drain <host>',
            'Cordon a host, let its builds finish, and cancel those left at the deadline',
            drainFlags,
            async (each) => setCode(await drain(each, context)),
          )
          .command('remove <host>', 'Take it out of the fleet', host, async (each) => {
            await api().json('DELETE', path('hosts', each.host))
            print.line(`${each.host} removed`)
          })
          .command(
            '$0',
            false,
            (each) => each,
            async (each) => {
              const list = await api().json<readonly Host[]>('GET', '/v1/hosts')
              await show(context, (each as {output?: Format}).output ?? 'table', list, () => hostsTable(list))
            },
          ),
      () => undefined,
    )
    .command(
      'projects',
      'List projects',
      (args) =>
        withOutput(args)
          .command('create <name>', 'Make a project', name, async (each) => {
            print.line((await api().json<Project>('POST', '/v1/projects', {name: each.name})).name)
          })
          .command(
            'delete <name>',
            'Delete a project and its caches',
            (each) => name(each).option('yes', {type: 'boolean', default: false}),
            async (each) => {
              await confirm(context, each.yes, `delete project ${each.name} and its caches`)
              await api().json('DELETE', path('projects', each.name))
              print.line(`${each.name} deleted`)
            },
          )
          .command(
            '$0',
            false,
            (each) => each,
            async (each) => {
              const list = await api().json<readonly Project[]>('GET', '/v1/projects')
              await show(context, (each as {output?: Format}).output ?? 'table', list, () => projectsTable(list))
            },
          ),
      () => undefined,
    )
    .command(
      'caches',
      'List caches',
      (args) =>
        withOutput(args)
          .command(
            'reset <name>',
            'Let the next build start empty',
            (each) => name(each).option('yes', {type: 'boolean', default: false}),
            async (each) => {
              await confirm(context, each.yes, `empty the cache of ${each.name}`)
              await api().json('POST', path('caches', each.name, 'reset'), {})
              print.line(`the next build of ${each.name} starts with an empty cache`)
            },
          )
          .command(
            '$0',
            false,
            (each) => each,
            async (each) => {
              const list = await api().json<readonly Cache[]>('GET', '/v1/caches')
              await show(context, (each as {output?: Format}).output ?? 'table', list, () => cachesTable(list))
            },
          ),
      () => undefined,
    )
    .command(
      'tokens',
      'List tokens',
      (args) =>
        withOutput(args)
          .command('create', 'Make a token; it is shown this once', tokenFlags, async (each) => {
            const {kind, name: label, project} = each
            const made = await api().json<CreatedToken>('POST', '/v1/tokens', {
              kind,
              ...(label && {name: label}),
              ...(project.length > 0 && {projects: project}),
            })
            await show(context, each.output, made, () => made.token)
          })
          .command('revoke <id>', 'End a token', id, async (each) => {
            await api().json('DELETE', path('tokens', each.id))
            print.line(`${each.id} revoked`)
          })
          .command(
            '$0',
            false,
            (each) => each,
            async (each) => {
              const list = await api().json<readonly Token[]>('GET', '/v1/tokens')
              await show(context, (each as {output?: Format}).output ?? 'table', list, () => tokensTable(list))
            },
          ),
      () => undefined,
    )
    .command('logs <id>', "Print a build's log", id, async (each) => showLog(each.id))
    .command(
      'cancel <id>',
      'Cancel a build',
      (each) => id(each).option('reason', {type: 'string', default: ''}),
      async (each) => cancel(each.id, each.reason),
    )
    .command('cordon <host>', 'Give a host no new builds', host, async (each) => hostAct(each.host, 'cordon'))
    .command('uncordon <host>', 'Give a host builds again', host, async (each) => hostAct(each.host, 'uncordon'))
    .command(
      'drain <host>',
      'Cordon a host, let its builds finish, and cancel those left at the deadline',
      drainFlags,
      async (each) => setCode(await drain(each, context)),
    )
    .completion('completion', 'Print a completion script for the shell')
}

const upFlags = <T>(args: Argv<T>) =>
  args
    .option('state-dir', {type: 'string', default: '/var/lib/hearth', describe: 'caches, keys and records'})
    .option('listen', {
      type: 'string',
      default: '127.0.0.1:7433',
      describe: 'address:port; TLS everywhere but on loopback',
    })
    .option('detach', {alias: 'd', type: 'boolean', default: false, describe: 'return when it is ready'})
    .option('warm-idle', {
      type: 'string',
      describe: 'how long an unused builder stays ready (10m); 0s detaches at once',
    })
    .option('slots', {type: 'number', default: 2, describe: 'how many builders at a time'})

const drainFlags = <T>(args: Argv<T>) =>
  args
    .positional('host', {type: 'string', demandOption: true, describe: 'host id or name'})
    .option('deadline', {type: 'string', default: '1h', describe: 'time that builds have to finish'})
    .option('no-deadline', {type: 'boolean', default: false, describe: 'wait for builds as long as they take'})
    .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
    .option('reason', {type: 'string', default: '', describe: 'shown to whoever asks why'})
    .option('detach', {type: 'boolean', default: false, describe: 'return at once instead of watching'})

const downFlags = <T>(args: Argv<T>) =>
  args
    .option('deadline', {type: 'string', default: '5m', describe: 'time that builds have to finish'})
    .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
    .option('purge', {type: 'boolean', default: false, describe: 'delete all caches and the state directory'})
    .option('yes', {type: 'boolean', default: false, describe: 'do not ask'})
    .option('state-dir', {type: 'string', default: '/var/lib/hearth', describe: 'what --purge removes'})

const tokenFlags = <T>(args: Argv<T>) =>
  withOutput(args)
    .option('kind', {choices: ['admin', 'project', 'join'] as const, default: 'project' as const})
    .option('name', {type: 'string', default: ''})
    .option('project', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'what it may build; repeatable',
    })

const confirm = async ({stdin, print}: Context, yes: boolean, what: string): Promise<void> => {
  if (yes) return
  if (!stdin.isTTY) throw new UsageError(`this would ${what}: add --yes if that is meant`)
  const {createInterface} = await import('node:readline/promises')
  const asking = createInterface({input: stdin, output: process.stderr})
  const answer = await asking.question(`${what}? [y/N] `).finally(() => asking.close())
  if (/^y(es)?$/i.test(answer.trim())) return
  print.note('nothing was changed')
  throw new UsageError('not confirmed')
}

const ago = (at: number | null) => (at === null ? '' : formatAge(Date.now() - at))

const buildsTable = (list: readonly Build[]) =>
  table(
    ['BUILD', 'PROJECT', 'STATE', 'STARTED', 'CACHED', 'TIME', 'REASON'],
    list.map(({id, project, state, createdAt, endedAt, leases, reason}) => {
      const steps = leases
        .map((lease) => (lease.steps ? `${lease.steps.cached}/${lease.steps.total}` : ''))
        .filter(Boolean)
      const time = formatDuration((endedAt ?? Date.now()) - createdAt)
      return [id, project, state, ago(createdAt), steps.join(' '), time, (reason ?? '').slice(0, 40)]
    }),
  )

const buildText = (build: Build) => {
  const lines = build.leases.flatMap((lease) => {
    const times = Object.entries(lease.timingsMs).map(([span, ms]) => `${span} ${formatDuration(ms)}`)
    const {from, sealed, why} = lease.cache
    const cache = `cache: from ${from ?? 'nothing'}, sealed ${sealed ?? 'nothing'}${why ? ` (${why})` : ''}`
    return [
      `  ${lease.architecture} on ${lease.host ?? 'no host'}: ${lease.outcome ?? lease.state}`,
      `    ${cache}`,
      `    ${times.join(', ')}`,
    ]
  })
  return [`${build.id}  ${build.project}  ${build.state}${build.reason ? `: ${build.reason}` : ''}`, ...lines].join(
    '\n',
  )
}

const hostsTable = (list: readonly Host[]) =>
  table(
    ['HOST', 'ARCH', 'STATE', 'BUSY', 'WARM', 'FREE', 'TOTAL', 'SEEN'],
    list.map(({name, architecture, connection, schedulable, drain, slots, lastSeenAt}) => {
      const state = [connection, ...(drain ? ['draining'] : schedulable ? [] : ['cordoned'])].join(',')
      return [
        name,
        architecture,
        state,
        ...[slots.busy, slots.warm, slots.free, slots.total].map(String),
        ago(lastSeenAt),
      ]
    }),
  )

const projectsTable = (list: readonly Project[]) =>
  table(
    ['PROJECT', 'BUILDS', 'LAST', 'CACHE'],
    list.map(({name, builds, lastBuildAt, cacheBytes}) => [
      name,
      String(builds),
      ago(lastBuildAt),
      formatBytes(cacheBytes),
    ]),
  )

const cachesTable = (list: readonly Cache[]) =>
  table(
    ['PROJECT', 'ARCH', 'STATE', 'GENERATION', 'SEALED', 'USED', 'HOST'],
    list.map(({project, architecture, state, head, usedBytes}) => [
      project,
      architecture,
      state,
      head ? String(head.number) : '',
      ago(head?.sealedAt ?? null),
      formatBytes(usedBytes),
      head?.host ?? '',
    ]),
  )

const tokensTable = (list: readonly Token[]) =>
  table(
    ['TOKEN', 'KIND', 'NAME', 'PROJECTS', 'CREATED', 'STATE'],
    list.map(({id, kind, name, projects, createdAt, revoked, usedAt}) => {
      const state = revoked ? 'revoked' : kind === 'join' && usedAt !== null ? 'used' : 'valid'
      return [id, kind, name, projects.join(' '), ago(createdAt), state]
    }),
  )

const statusText = ({version: running, url, startedAt, hosts, capacity, builds, caches, problems}: Status) =>
  [
    `fleet   ${running} at ${url}, up ${formatAge(Date.now() - startedAt)}`,
    `hosts   ${hosts.online} online, ${hosts.offline} offline, ${hosts.draining} draining`,
    ...capacity.map(
      ({architecture, total, busy, warm, free, queued}) =>
        `slots   ${architecture}: ${total} total, ${busy} busy, ${warm} warm, ${free} free; ${queued} queued`,
    ),
    `builds  ${builds.running} running, ${builds.queued} queued`,
    `caches  ${caches.volumes}, ${formatBytes(caches.usedBytes)}`,
    ...problems.map((problem) => `problem ${problem}`),
  ].join('\n')
