import {type VerbContext, verb} from './verb.ts'

// `hearth up` and `hearth down`; what they do loads only when they run, as `up` brings the whole fleet and agent with it.

export const upCommand = (context: VerbContext) =>
  verb({
    command: 'up',
    describe: 'Run a fleet and an agent on this machine',
    builder: (args) =>
      args
        .option('state-dir', {type: 'string', describe: 'caches, keys and records (/var/lib/hearth)'})
        .option('listen', {type: 'string', describe: 'address:port (127.0.0.1:7433); TLS, but on loopback'})
        .option('detach', {alias: 'd', type: 'boolean', default: false, describe: 'return when it is ready'})
        .option('warm-idle', {
          type: 'string',
          describe: 'how long an unused builder stays ready (10m); 0s detaches at once',
        })
        .option('slots', {type: 'string', describe: 'how many builders at a time (2)'}),
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
    describe: 'End the Hearth of this machine; caches are kept',
    builder: (args) =>
      args
        .option('deadline', {type: 'string', default: '5m', describe: 'time that builds have to finish'})
        .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
        .option('purge', {type: 'boolean', default: false, describe: 'delete all caches and the state directory'})
        .option('yes', {type: 'boolean', default: false, describe: 'do not ask'})
        .option('state-dir', {type: 'string', describe: 'where its state is, if not where hearth up last put it'}),
    handler: async (flags) => {
      const {down} = await import('./down.ts')
      context.exit(await down({...flags, 'state-dir': flags['state-dir']}, context))
    },
  })
