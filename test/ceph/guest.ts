import {spawn} from 'node:child_process'
import {readFile} from 'node:fs/promises'
import {createConnection} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {CommandError, type Run} from '@hearth/agent/host/run'
import type {KernelFiles} from '@hearth/agent/volume/ceph/real-kernel-files'
import type {TestDirectory} from '../support/test-directory.ts'

// A virtual machine with Debian's kernel (scripts/setup/guest.sh, images/guest), emulated: for what this machine's kernel may lack.

export type Guest = {
  /** Runs a program in it. */
  readonly run: Run
  /** Its kernel's files, as they were after the last program that ran in it. */
  readonly kernel: KernelFiles
  /** Gives it a file of this machine, under the same name. */
  put(path: string): Promise<void>
}

const bootWithinMs = 60_000
/** What an attacher may look at. */
const kernelFiles = [
  '/sys/bus/rbd/supported_features',
  '/sys/bus/rbd/devices/*/pool_ns',
  '/sys/block/nbd*/pid',
  '/sys/block/nbd*/size',
  '/run/udev/control',
  '/proc/[0-9]*/cmdline',
]

/** What set-up made; null where it made none. */
export const guestImage = join(import.meta.dirname, '../../build/toolchain/guest')

/** `ports`: of this machine's loopback, which the guest has on its own. It ends with the directory. */
export const startGuest = async (
  directory: TestDirectory,
  {ports, port}: {readonly ports: readonly number[]; readonly port: number},
): Promise<Guest> => {
  const machine = spawn(
    'qemu-system-x86_64',
    [
      ...[
        '-accel',
        'tcg',
        '-m',
        '1024',
        '-nographic',
        '-no-reboot',
        '-nodefaults',
        '-serial',
        `file:${directory.path}/guest.log`,
      ],
      ...['-kernel', join(guestImage, 'vmlinuz'), '-initrd', join(guestImage, 'initrd')],
      ...['-append', `console=ttyS0 quiet panic=-1 hearth.ports=${ports.join(',')}`],
      ...[
        '-netdev',
        `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:7000`,
        '-device',
        'virtio-net-pci,netdev=net,romfile=',
      ],
    ],
    {stdio: 'ignore', env: {...process.env, ...directory.environment}},
  )
  machine.on('error', () => undefined) // not installed: it never answers, which is said below
  const files = new Map<string, string>()
  const answer = async (script: string, signal: AbortSignal): Promise<Answer> => await ask(port, script, signal)
  const look = async (signal: AbortSignal) => {
    files.clear()
    const {stdout} = await answer(`grep -a '' /dev/null ${kernelFiles.join(' ')} 2>/dev/null; :`, signal)
    for (const line of stdout.split('\n')) {
      const [, path, text] = /^([^:]+):(.*)$/.exec(line) ?? []
      if (path && text !== undefined) files.set(path, text)
    }
  }
  const giveUp = AbortSignal.timeout(bootWithinMs)
  for (;;) {
    try {
      await look(giveUp)
      break
    } catch (cause) {
      if (giveUp.aborted) throw new Error(`the guest does not answer:\n${await logOf(directory)}`, {cause})
      await sleep(100)
    }
  }
  return {
    run: async (argv, signal) => {
      const {code, stdout, stderr} = await answer(argv.map(quoted).join(' '), signal)
      await look(AbortSignal.timeout(20_000))
      if (code !== 0) throw new CommandError(argv, {exitCode: code, stderr})
      return stdout
    },
    kernel: {
      read: (path) => files.get(path) ?? null,
      list: (path) => [
        ...new Set(
          [...files.keys()].flatMap((file) =>
            file.startsWith(`${path}/`) ? [file.slice(path.length + 1).split('/')[0] ?? ''] : [],
          ),
        ),
      ],
    },
    put: async (path) => {
      const content = (await readFile(path)).toString('base64')
      const script = `mkdir -p ${quoted(join(path, '..'))} && echo ${content} | base64 -d >${quoted(path)}`
      const {code, stderr} = await answer(script, AbortSignal.timeout(20_000))
      if (code !== 0) throw new Error(`${path} could not be given to the guest: ${stderr}`)
    },
  }
}

type Answer = {readonly code: number; readonly stdout: string; readonly stderr: string}

const ask = async (port: number, script: string, signal: AbortSignal): Promise<Answer> => {
  const socket = createConnection({host: '127.0.0.1', port, signal})
  socket.write(`${script}\n#end\n`)
  let said = ''
  try {
    for await (const chunk of socket.setEncoding('utf8')) said += String(chunk)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  const [code, stdout, stderr] = said.split('\n')
  if (stderr === undefined) throw new Error(`the guest said ${JSON.stringify(said)}`)
  const decoded = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString()
  return {code: Number(code), stdout: decoded(stdout), stderr: decoded(stderr)}
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

const logOf = async ({path}: TestDirectory): Promise<string> =>
  (await readFile(`${path}/guest.log`, 'utf8').catch(() => '')).split('\n').slice(-20).join('\n')
