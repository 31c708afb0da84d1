import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {makeBare} from './bare.ts'
import {makeClient} from './client.ts'
import {type Benchmark, resultLine, runBenchmark, writeResults} from './harness.ts'

// `make bench [ONLY=regex]`: floor, peer and Hearth in turn, in one run on one machine. Exit 1 if one is over its limit.

const root = join(import.meta.dirname, '../..')
const only = new RegExp(process.env['ONLY'] || '.')
const rounds = 7
const directory = mkdtempSync(join(tmpdir(), 'hearth-bench-'))
const stateDir = join(directory, 'state')
const environment = {...process.env, XDG_CONFIG_HOME: join(directory, 'config')}
const hearth = (...args: readonly string[]) =>
  execFileSync(join(root, 'fleet/bin/hearth'), args, {env: environment, stdio: ['ignore', 'ignore', 'inherit']})
const tool = (name: string) => process.env[`HEARTH_${name.toUpperCase()}`] ?? join(root, 'build/toolchain/bin', name)

const bare = makeBare(directory, {buildkitd: tool('buildkitd'), runc: tool('runc')})
const measureBare = async (): Promise<number> => {
  const tookMs = await bare.start()
  await bare.stop()
  return tookMs
}
const client = () =>
  makeClient(
    readFileSync(join(stateDir, 'url'), 'utf8').trim(),
    readFileSync(join(stateDir, 'admin-token'), 'utf8').trim(),
  )

type Group = {readonly up: readonly string[]; readonly benchmarks: readonly Benchmark[]}
const groups: readonly Group[] = [
  {
    up: ['--warm-idle', '0s'],
    benchmarks: [
      {
        name: 'acquire, volume detached before',
        unit: 'ms',
        peer: 'bare losetup + mount + buildkitd',
        limit: (peerMs) => 1.3 + 30 / peerMs,
        measurePeer: measureBare,
        measureOurs: async () => {
          const tookMs = await client().acquire('bench')
          await client().untilDetached()
          return tookMs
        },
      },
    ],
  },
  {
    up: [],
    benchmarks: [
      {
        name: 'acquire, warm',
        unit: 'ms',
        peer: 'bare losetup + mount + buildkitd',
        limit: (peerMs) => 15 / peerMs,
        measurePeer: measureBare,
        measureOurs: async () => await client().acquire('bench'),
      },
    ],
  },
]

const results = []
try {
  for (const {up, benchmarks} of groups) {
    const chosen = benchmarks.filter(({name}) => only.test(name))
    if (chosen.length === 0) continue
    hearth('up', '--detach', '--state-dir', stateDir, '--listen', '127.0.0.1:0', ...up)
    try {
      for (const benchmark of chosen) {
        const result = await runBenchmark(benchmark, rounds)
        results.push(result)
        process.stdout.write(`${resultLine(result)}\n`)
      }
    } finally {
      hearth('down', '--force')
    }
  }
} finally {
  bare.remove()
  rmSync(directory, {recursive: true, force: true})
}
writeResults(join(root, 'build/bench.json'), results)
process.exitCode = results.length > 0 && results.every(({pass}) => pass) ? 0 : 1
