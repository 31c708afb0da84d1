import {execFileSync} from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import {homedir, tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Build} from '@hearth/proto/api'

// The main job on this machine: build a small C program, put the cache away, change a file, build on the reattached cache, change
// it again, build on the warm builder. Leaves nothing behind but the Debian packages that it caches.

const root = join(import.meta.dirname, '../..')
const hearth = join(root, 'fleet/bin/hearth')
const packages = ['busybox-static', 'libc6', 'musl-dev', 'tcc']
const directory = mkdtempSync(join(tmpdir(), 'hearth-demo-'))
const stateDir = join(directory, 'state')
const environment = {...process.env, XDG_CONFIG_HOME: join(directory, 'config')}

const run = (args: readonly string[], output: 'inherit' | 'pipe' = 'inherit'): string =>
  execFileSync(hearth, args, {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', output === 'pipe' ? 'pipe' : 'inherit', 'inherit'],
  }) ?? ''
const say = (text: string) => process.stdout.write(`${text}\n`)

/** The compiler and its libraries, from Debian's archive: apt checks their signatures. */
const fetchPackages = (): string => {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hearth', 'demo-packages')
  if (existsSync(cache)) return cache
  say(`fetching ${packages.join(', ')} from Debian`)
  const partial = `${cache}.${process.pid}.partial`
  mkdirSync(partial, {recursive: true})
  const download = () =>
    execFileSync('apt-get', ['download', '-q', ...packages], {cwd: partial, stdio: ['ignore', 'ignore', 'pipe']})
  try {
    download()
  } catch {
    execFileSync('apt-get', ['update', '-q'], {stdio: ['ignore', 'ignore', 'inherit']}) // no package lists yet, or old ones
    download()
  }
  const busybox = readdirSync(partial).find((name) => name.startsWith('busybox')) as string
  execFileSync('dpkg-deb', ['-x', join(partial, busybox), join(partial, 'tree')])
  cpSync(
    ['bin/busybox', 'usr/bin/busybox']
      .map((path) => join(partial, 'tree', path))
      .find((path) => existsSync(path)) as string,
    join(partial, 'busybox'),
  )
  rmSync(join(partial, 'tree'), {recursive: true})
  rmSync(join(partial, busybox))
  renameSync(partial, cache)
  return cache
}

type Row = {readonly name: string; readonly cached: string; readonly seconds: string}

const build = (name: string, context: string, packagesDirectory: string): Row => {
  say(`\n── ${name}`)
  const began = performance.now()
  run([
    'build',
    context,
    '--project',
    'demo',
    '--progress',
    'plain',
    '--build-context',
    `packages=${packagesDirectory}`,
    '-o',
    join(directory, 'out'),
  ])
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  const [last] = JSON.parse(run(['builds', '-o', 'json'], 'pipe')) as readonly Build[]
  const steps = last?.leases[0]?.steps
  return {name, cached: steps ? `${steps.cached} of ${steps.total}` : 'unknown', seconds}
}

const changeSource = (context: string, change: number) => {
  const file = join(context, 'src/main.c')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/\n\/\/ change \d+\n|$/, `\n// change ${change}\n`))
}

/** `hearth down` must have put all of it away. */
const checkNothingLeft = () => {
  const left = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory))
  if (left.length > 0) throw new Error(`mounts were left behind:\n${left.join('\n')}`)
}

const up = () => run(['up', '--detach', '--state-dir', stateDir, '--listen', '127.0.0.1:0'])

const demo = (): readonly Row[] => {
  const packagesDirectory = fetchPackages()
  const context = join(directory, 'example')
  cpSync(join(import.meta.dirname, 'example'), context, {recursive: true})
  up()
  const rows = [build('nothing cached', context, packagesDirectory)]
  run(['down'])
  checkNothingLeft()
  changeSource(context, 1)
  up()
  rows.push(build('reattached', context, packagesDirectory))
  changeSource(context, 2)
  rows.push(build('warm', context, packagesDirectory))
  say(`\nthe image says: ${execFileSync(join(directory, 'out/primes'), ['1000'], {encoding: 'utf8'}).trim()}`)
  run(['down'])
  checkNothingLeft()
  return rows
}

try {
  const rows = demo()
  say(`\n${'cache'.padEnd(16)}${'steps cached'.padEnd(14)}seconds`)
  for (const {name, cached, seconds} of rows) say(`${name.padEnd(16)}${cached.padEnd(14)}${seconds}`)
} catch (error) {
  try {
    run(['down', '--force'])
  } catch {
    say(`hearth could not be ended: its state is in ${stateDir}`)
  }
  throw error
} finally {
  const mounted = readFileSync('/proc/self/mounts', 'utf8').includes(directory)
  if (!mounted) rmSync(directory, {recursive: true, force: true})
}
