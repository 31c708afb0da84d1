import {join} from 'node:path'
import {makeTestDirectory} from '../support/test-directory.ts'
import {makeBare} from './bare.ts'
import {type Result, resultHeading, resultLine, runBenchmark, runBudget, writeResults} from './harness.ts'
import {findBusybox} from './rebuild.ts'
import {type Stage, stages} from './stages.ts'

// `make bench [ONLY=regex]`: floor, peer and Hearth in turn, in one run on one machine. Exit 1 if one is over its limit.

const root = join(import.meta.dirname, '../..')
const only = new RegExp(process.env['ONLY'] || '.')
const tool = (name: string) => process.env[`HEARTH_${name.toUpperCase()}`] ?? join(root, 'build/toolchain/bin', name)
const say = (text: string) => process.stdout.write(`${text}\n`)

const runStage = async ({open, measurements}: Stage): Promise<readonly Result[]> => {
  const chosen = measurements.filter(({name}) => only.test(name))
  if (chosen.length === 0) return []
  const close = await open()
  const results: Result[] = []
  try {
    for (const measurement of chosen) {
      const result = await ('most' in measurement ? runBudget(measurement) : runBenchmark(measurement))
      results.push(result)
      say(resultLine(result))
    }
  } finally {
    await close()
  }
  return results
}

const place = await makeTestDirectory()
const directory = place.path
const bare = makeBare(directory, {buildkitd: tool('buildkitd'), runc: tool('runc')})
const results: Result[] = []
try {
  say(resultHeading())
  for (const stage of stages({root, directory, bare, buildctl: tool('buildctl'), busybox: findBusybox()}))
    results.push(...(await runStage(stage)))
} finally {
  await bare.remove()
  await place.remove()
}
writeResults(join(root, 'build/bench.json'), results)
process.exitCode = results.length > 0 && results.every(({pass}) => pass) ? 0 : 1
