import {parseArgs} from 'node:util'
import {ConfigError} from '@hearth/proto/config-file'
import {nearest} from '@hearth/proto/nearest'

export const helpOf = (
  version: string,
): string => `hearth-agent ${version}: runs builders on this host for a Hearth fleet

usage: hearth-agent --fleet URL [--join TOKEN] [flags]    run until SIGTERM; builds go on without it
       hearth-agent drain [flags]                         take no new builds, let those here end

  --fleet URL          the fleet, such as https://fleet.example:7433
  --join TOKEN         one-time token (hearth tokens create --kind join), for the first start only
  --advertise ADDRESS  where clients reach builders on this host
                       (default: its address on the way to the fleet)
  --slots N            builders at a time (default 2)
  --name NAME          what people call this host (default: the machine's host name)
  --state-dir DIR      caches, keys and journal (default /var/lib/hearth)
  --config FILE        default /etc/hearth/agent.yaml, if it is there; flags win over it
  --version, --help

drain asks through the agent that runs here, else asks the fleet itself, and returns when no builder
is left:
  --deadline TIME      builds left then are cancelled (default 1h); 0s cancels them now
  --no-deadline        wait for builds as long as they take
  --reason TEXT        shown to whoever asks why
  --detach             return as soon as the fleet knows
To take builds again: hearth uncordon HOST.

Environment: HEARTH_STATE_DIR, HEARTH_LOG_LEVEL (debug, info, warn, error), HEARTH_CONFIG_DIR
(default /etc/hearth); HEARTH_BUILDKITD and HEARTH_RUNC name the programs to use.
docs/configuration.md lists the keys of the file.
Exit: 0 done, 1 failed, 2 wrong usage, 3 something here or on the way to the fleet is missing.`

const shared = {
  'state-dir': {type: 'string'},
  config: {type: 'string'},
  version: {type: 'boolean'},
  help: {type: 'boolean', short: 'h'},
} as const
const options = {
  run: {
    ...shared,
    fleet: {type: 'string'},
    join: {type: 'string'},
    slots: {type: 'string'},
    advertise: {type: 'string'},
    name: {type: 'string'},
  },
  drain: {
    ...shared,
    fleet: {type: 'string'},
    deadline: {type: 'string'},
    'no-deadline': {type: 'boolean'},
    reason: {type: 'string'},
    detach: {type: 'boolean'},
  },
} as const
type Verb = keyof typeof options
type ValuesOf<V extends Verb> = ReturnType<typeof parseArgs<{options: (typeof options)[V]}>>['values']
export type RunFlags = ValuesOf<'run'>
export type DrainFlags = ValuesOf<'drain'>
export type Parsed =
  | {readonly verb: 'run'; readonly flags: RunFlags}
  | {readonly verb: 'drain'; readonly flags: DrainFlags}

/** Throws `ConfigError` for what is unknown, naming the nearest, and for a flag that lacks its value. */
export const parseFlags = (argv: readonly string[]): Parsed => {
  const [first, ...rest] = argv
  if (first === 'drain') return {verb: 'drain', flags: parse('drain', rest)}
  if (first !== undefined && !first.startsWith('-')) {
    const meant = nearest(first, ['drain'])
    throw new ConfigError(`there is no command '${first}'${meant ? `: did you mean ${meant}?` : ': see --help'}`)
  }
  return {verb: 'run', flags: parse('run', argv)}
}

const parse = <V extends Verb>(verb: V, args: readonly string[]): ValuesOf<V> => {
  const known = Object.keys(options[verb])
  for (const arg of args) {
    const name = arg.startsWith('--') ? (arg.slice(2).split('=', 1)[0] as string) : ''
    if (name === '' || known.includes(name)) continue
    const meant = nearest(name, known)
    throw new ConfigError(`there is no flag --${name}${meant ? `: did you mean --${meant}?` : ': see --help'}`)
  }
  try {
    return parseArgs({args: [...args], options: options[verb], strict: true}).values
  } catch (error) {
    // Node's messages: 'Unexpected argument …. This command does not take positional arguments'
    throw new ConfigError((error as Error).message.split('\n', 1)[0] as string)
  }
}
