// What set-up says where it can't work: one first line, before it has done anything.
import {spawnSync} from 'node:child_process'
import {chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, afterEach, expect, test} from 'vitest'

const main = join(import.meta.dirname, 'main.sh')
const place = mkdtempSync(join(tmpdir(), 'hearth-preflight-'))
afterAll(() => rmSync(place, {recursive: true}))

afterEach(() => {
  for (const program of pretended.splice(0)) rmSync(join(place, program))
})

const pretended: string[] = []
const needsRoot = process.getuid?.() !== 0 && !process.env['CI']

test('macOS is refused', () => {
  pretend('uname', 'echo Darwin')
  // BSD's: without an operand it says how it is used and fails
  pretend('paste', '[ "$3" = - ] || exit 1\ntr "\\n" "$2" | sed s/.$//')
  expect(setUp('run')).toEqual(
    refusal('needs Linux, and this is Darwin. What to do: run it in a Linux machine or VM (Debian 12 or newer, root).'),
  )
  expect(setUp('check').stderr).toMatch(/^Hearth needs Linux, and this is Darwin/)
})

test('an architecture without builders is refused', () => {
  pretend('uname', '[ "$1" = -s ] && echo Linux || echo riscv64')
  expect(setUp('run')).toEqual(
    refusal('needs an x86_64 or aarch64 machine, and this is riscv64. What to do: run it on one of these.'),
  )
})

test('a plain user is told to use root', () => {
  pretend('id', 'echo 1000')
  expect(setUp('run')).toEqual(
    refusal(
      'needs root (it mounts volumes, makes namespaces and installs Debian packages). What to do: run it with sudo (`make check` needs none).',
    ),
  )
})

test.skipIf(needsRoot)('all features that the kernel lacks are named at once (needs root)', () => {
  pretend('modprobe', 'exit 1')
  writeFileSync(join(place, 'filesystems'), 'nodev\ttmpfs\n\text4\n')
  const hide = 'mount --bind "$0/filesystems" /proc/filesystems && mount --bind "$0/filesystems" /dev/loop-control'
  const {status, stderr} = inPlace('unshare', '--mount', 'sh', '-c', `${hide} && exec sh "$1" run`, place, main)
  expect(stderr).toMatch(
    /^Hearth needs what this kernel, or this container, lacks: the overlay file system, the xfs file system, loop devices \(\/dev\/loop-control\). What to do: run /,
  )
  expect(status).toBe(1)
})

test.skipIf(needsRoot)('a container without namespaces is refused (needs root)', () => {
  pretend('unshare', 'exit 1')
  expect(setUp('run').stderr).toMatch(/lacks: namespaces \(mount\/pid\/network\), nftables, veth network devices\. /)
})

/** Puts a program of that name before all others, for this test only. */
function pretend(program: string, script: string) {
  writeFileSync(join(place, program), `#!/bin/sh\n${script}\n`)
  chmodSync(join(place, program), 0o755)
  pretended.push(program)
}

function setUp(level: string) {
  return inPlace('sh', main, level)
}

function inPlace(file: string, ...args: string[]) {
  const env = {
    ...process.env,
    PATH: `${place}:${process.env['PATH']}:/usr/sbin:/sbin`,
    XDG_CACHE_HOME: join(place, 'cache'),
  }
  const {status, stdout, stderr} = spawnSync(file, args, {env, encoding: 'utf8'})
  expect(existsSync(join(place, 'cache'))).toBe(false)
  return {status, stdout, stderr}
}

function refusal(line: string) {
  return {status: 1, stdout: '', stderr: `Hearth ${line}\n`}
}
