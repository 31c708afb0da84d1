import type {Host} from '@hearth/proto/api'
import {formatAge} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {cordonCommand} from './cordon.ts'
import {drainCommand} from './drain.ts'
import {removeCommand} from './remove.ts'
import {showCommand} from './show.ts'
import {uncordonCommand} from './uncordon.ts'

export const hostsCommand = (context: VerbContext) =>
  verb({
    command: 'hosts',
    describe: 'List hosts',
    builder: (args) =>
      withOutput(args)
        .command(showCommand(context))
        .command(cordonCommand(context))
        .command(uncordonCommand(context))
        .command(drainCommand(context))
        .command(removeCommand(context)),
    handler: async ({output}) => {
      const hosts = await context.fleet().json<readonly Host[]>('GET', '/v1/hosts')
      await show(context, output, hosts, (width) => hostsTable(hosts, Date.now(), width))
    },
  })

export const hostsTable = (hosts: readonly Host[], now: number, width: number): string =>
  table(
    ['HOST', 'ARCH', 'STATE', 'BUSY', 'WARM', 'FREE', 'TOTAL', 'SEEN'],
    hosts.map((host) => {
      const {busy, warm, free, total} = host.slots
      const seen = host.lastSeenAt === null ? '' : formatAge(now - host.lastSeenAt)
      return [host.name, host.architecture, hostState(host), ...[busy, warm, free, total].map(String), seen]
    }),
    {width, cut: ['HOST']},
  )

/** All facts in one cell: `online`, `online,cordoned`, `offline,draining`, `online,full`. */
export const hostState = ({connection, schedulable, drain, pressure}: Host): string =>
  [connection, ...(drain ? ['draining'] : schedulable ? [] : ['cordoned']), ...(pressure?.closed ? ['full'] : [])].join(
    ',',
  )
