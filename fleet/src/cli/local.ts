import {hinted, type VerbContext, verb, withYes} from './verb.ts'

// `hearth up` and `hearth down`; what they do loads only when they run, as `up` brings the whole fleet and agent with it.

export const upCommand = (context: VerbContext) =>
  verb({
    command: 'up',
    describe: 'Start it: a fleet, and an agent that runs the builds',
    builder: (args) =>
      args
        .option(
          'state-dir',
          hinted({
            type: 'string',
            value: 'DIR',
            completes: 'files',
            describe: 'caches, keys and records (/var/lib/hearth)',
          }),
        )
        .option(
          'listen',
          hinted({type: 'string', value: 'ADDRESS:PORT', describe: 'plain on loopback, else TLS (127.0.0.1:7433)'}),
        )
        .option('detach', {alias: 'd', type: 'boolean', default: false, describe: 'return when it is ready'})
        .option(
          'warm-idle',
          hinted({
            type: 'string',
            value: 'TIME',
            describe: 'an unused builder stays ready so long (10m); 0s: detach at once',
          }),
        )
        .option('slots', hinted({type: 'string', value: 'N', describe: 'builders at a time (2)'})),
    handler: async (flags) => {
      const {up} = await import('./up.ts')
      const {listen, detach, slots} = flags
      context.exit(
        await up({listen, detach, slots, 'state-dir': flags['state-dir'], 'warm-idle': flags['warm-idle']}, context),
      )
    },
  })

export const downCommand = (context: VerbContext) =>
  verb({
    command: 'down',
    describe: 'End it when its builds have finished; caches are kept',
    builder: (args) =>
      withYes(args)
        .option(
          'deadline',
          hinted({type: 'string', default: '5m', value: 'TIME', describe: 'time that builds have to finish'}),
        )
        .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
        .option('purge', {type: 'boolean', default: false, describe: 'delete all caches and the state directory'})
        .option(
          'state-dir',
          hinted({
            type: 'string',
            value: 'DIR',
            completes: 'files',
            describe: 'its state, if not where hearth up last put it',
          }),
        ),
    handler: async (flags) => {
      const {down} = await import('./down.ts')
      context.exit(await down({...flags, 'state-dir': flags['state-dir']}, context))
    },
  })
