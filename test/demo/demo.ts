import {cp, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Build} from '@hearth/proto/api'
import {fetchPackages} from './packages.ts'
import {openPlace, type Place, ProgramError, runProgram} from './place.ts'

// The main job on this machine: build a small C program, put the cache away, change a file, build on the reattached cache, change
// it again, build on the warm builder. Leaves nothing behind but the Debian packages that it caches.

type Row = {readonly name: string; readonly cached: string; readonly seconds: string}

const say = (text: string) => process.stdout.write(`${text}\n`)

const demo = async (place: Place, signal: AbortSignal): Promise<readonly Row[]> => {
  const packages = await fetchPackages(signal)
  const context = join(place.directory, 'example')
  await cp(join(import.meta.dirname, 'example'), context, {recursive: true})
  const build = (name: string) => buildOnce(name, {place, context, packages})
  await place.up()
  const rows = [await build('nothing cached')]
  await place.down()
  await changeSource(context, 1)
  await place.up()
  rows.push(await build('reattached'))
  await changeSource(context, 2)
  rows.push(await build('warm'))
  const primes: [string, string] = [join(place.directory, 'out/primes'), '1000']
  const said = await runProgram(primes, {directory: place.directory, output: 'returned', signal})
  say(`\nthe image says: ${said.trim()}`)
  await place.down()
  return rows
}

type Parts = {readonly place: Place; readonly context: string; readonly packages: string}

const buildOnce = async (name: string, {place, context, packages}: Parts): Promise<Row> => {
  say(`\n── ${name}`)
  const began = performance.now()
  const output = ['--progress', 'plain', '-o', join(place.directory, 'out')]
  await place.hearth(['build', context, '--project', 'demo', '--build-context', `packages=${packages}`, ...output])
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  const [last] = JSON.parse(await place.hearth(['builds', '-o', 'json'], 'returned')) as readonly Build[]
  const steps = last?.leases[0]?.steps
  return {name, cached: steps ? `${steps.cached} of ${steps.total}` : 'unknown', seconds}
}

const changeSource = async (context: string, change: number): Promise<void> => {
  const file = join(context, 'src/main.c')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/\n\/\/ change \d+\n|$/, `\n// change ${change}\n`))
}

/** The exit code: that of the signal which ended it, as shells count. */
const main = async (): Promise<number> => {
  const interrupt = new AbortController()
  const codes = {SIGHUP: 129, SIGINT: 130, SIGTERM: 143} as const
  let code = 0
  for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (code === 0) say('\nstopping; everything is put away first')
      code = codes[name]
      interrupt.abort()
    })
  }
  const place = await openPlace(interrupt.signal)
  try {
    const rows = await demo(place, interrupt.signal)
    say(`\n${'cache'.padEnd(16)}${'steps cached'.padEnd(14)}seconds`)
    for (const {name, cached, seconds} of rows) say(`${name.padEnd(16)}${cached.padEnd(14)}${seconds}`)
  } catch (error) {
    if (!interrupt.signal.aborted && !(error instanceof ProgramError)) throw error
    code ||= 1 // the program that failed has said why
  } finally {
    await place.remove()
  }
  return code
}

process.exitCode = await main()
