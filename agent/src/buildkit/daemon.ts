import {spawn} from 'node:child_process'
import {closeSync, openSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

/** How a builder's first program is started; paths are the host's. */
export type Launch = {
  readonly directory: string
  readonly namespace: string
  readonly listenerFd: number
  readonly cgroups: readonly string[]
  readonly resolvConf: string | null
  readonly grow: boolean
  readonly tools: {readonly buildkitd: string; readonly runc: string}
}

/** The scripts that a builder runs; a bundle carries them beside itself. */
export const enterScript = fileURLToPath(new URL('../builder/enter.sh', import.meta.url))
export const freezeScript = fileURLToPath(new URL('../builder/freeze.sh', import.meta.url))
export const runcScript = fileURLToPath(new URL('../builder/runc.sh', import.meta.url))

const daemonOomScore = -900

/**
 * Starts a builder's programs in a session of their own, with files for their output, so that they outlive the agent. Returns at
 * once: `ended` resolves when they end or could not be started, with what is known of that.
 */
export const launchDaemon = (launch: Launch): {readonly ended: Promise<string>} => {
  const {promise, resolve} = Promise.withResolvers<string>()
  const stdout = openSync(join(launch.directory, 'stdout'), 'a', 0o600)
  const stderr = openSync(join(launch.directory, 'stderr'), 'a', 0o600)
  try {
    const isolate = ['nsenter', `--net=${launch.namespace}`, 'unshare', '--mount', '--pid', '--fork', '--mount-proc']
    const child = spawn('/bin/sh', [enterScript, 'join', ...isolate, '/bin/sh', enterScript, 'stay'], {
      cwd: '/',
      detached: true,
      env: environmentOf(launch),
      stdio: ['ignore', stdout, stderr, launch.listenerFd],
    })
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with ${code}`))
    child.unref()
    return {ended: promise}
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}

const environmentOf = (launch: Launch): Record<string, string> => ({
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  HOME: '/root',
  HEARTH_BUILDKITD: launch.tools.buildkitd,
  HEARTH_RUNC: launch.tools.runc,
  HEARTH_CGROUPS: launch.cgroups.join(' '),
  HEARTH_OOM_SCORE: String(daemonOomScore),
  HEARTH_DIRECTORY: launch.directory,
  HEARTH_RESOLV_CONF: launch.resolvConf ?? '',
  HEARTH_GROW: launch.grow ? 'yes' : '',
})
