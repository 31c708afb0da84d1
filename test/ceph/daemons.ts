import {spawn} from 'node:child_process'
import {closeSync, openSync} from 'node:fs'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

export type Daemon = 'mon' | 'mgr' | 'osd'
const ids: Record<Daemon, string> = {mon: 'a', mgr: 'a', osd: '0'}

/** Starts one of a cluster's daemons in a session of its own; it outlives this process. */
export const startDaemon = (daemon: Daemon, directory: string, environment: Readonly<Record<string, string>>): void => {
  const output = openSync(join(directory, `${daemon}.out`), 'a')
  const child = spawn(`ceph-${daemon}`, ['-c', join(directory, 'ceph.conf'), '-f', '-i', ids[daemon]], {
    cwd: '/',
    detached: true,
    env: {...process.env, ...environment},
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  child.on('error', () => undefined) // not installed: `startCeph` has run another of its programs before
  child.unref()
}

/** Those of the cluster in this directory that run now, whoever started them: their command lines name it. */
export const findDaemons = async (directory: string): Promise<readonly {daemon: Daemon; pid: number}[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
      const daemon = /ceph-(mon|mgr|osd)$/.exec(argv[0] ?? '')?.[1] as Daemon | undefined
      return daemon && argv.includes(join(directory, 'ceph.conf')) ? [{daemon, pid: Number(pid)}] : []
    }),
  )
  return found.flat()
}

export const signalDaemon = async (directory: string, daemon: Daemon, signal: NodeJS.Signals): Promise<void> => {
  for (const each of await findDaemons(directory)) if (each.daemon === daemon) process.kill(each.pid, signal)
}

/** Ends them by force, also stopped ones, and waits until they are gone. */
export const killDaemons = async (directory: string): Promise<void> => {
  const giveUp = performance.now() + 20_000
  let looksWithout = 0 // one is not enough: a manager that starts itself anew shows no command line for a moment
  while (looksWithout < 2) {
    const left = await findDaemons(directory)
    looksWithout = left.length === 0 ? looksWithout + 1 : 0
    if (performance.now() > giveUp) throw new Error(`SIGKILL does not end ${left.map(({pid}) => pid).join(', ')}`)
    for (const {pid} of left) killIfThere(pid)
    await sleep(50)
  }
}

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
