// Plants one violation of each house rule and looks whether the linters find it: a rule that is misspelt, or whose files
// moved away from its pattern, would otherwise pass in silence.
import {execFileSync, spawnSync} from 'node:child_process'
import {cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join, relative} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'

const root = join(import.meta.dirname, '..')

/** `N` in a path is the number of the case: one run of a linter sees all of them, each in a file of its own. */
type Case = readonly [path: string, code: string, rule: string | null]

const decision = 'agent/src/N/plan.ts'
const simulated = 'fleet/src/builds/N.ts'
const forbidden = [
  ...['Date.now()', 'fetch', 'crypto', 'performance', 'process', 'setTimeout', 'globalThis'].map(
    (code) => [`export const x = ${code}`, 'no-restricted-globals'] as const,
  ),
  ...['Math.random()', 'AbortSignal.timeout(1)'].map(
    (code) => [`export const x = ${code}`, 'no-restricted-properties'] as const,
  ),
  ["export {readFile} from 'node:fs/promises'", 'no-restricted-imports'] as const,
  ["export const x = () => import('node:fs')", 'no-restricted-imports'] as const,
]
const decisionFiles = [
  'agent/src/N/plan.ts',
  ...['place', 'decide', 'transition'].map((name) => `fleet/src/N/${name}.ts`),
]
const exempt = ['agent/src/host/N.ts', 'fleet/src/store/N.ts', 'fleet/src/cli/N/a.ts', 'fleet/src/auth/real-N.ts']

const oxlintCases: readonly Case[] = [
  ...[...decisionFiles, simulated].flatMap((path) => forbidden.map(([code, rule]): Case => [path, code, rule])),
  ...[...exempt, 'agent/src/N.test.ts'].flatMap((path) => forbidden.map(([code]): Case => [path, code, null])),
  [decision, "export {join} from 'node:path'", 'no-restricted-imports'],
  [decision, "export type {Socket} from 'node:net'", 'no-restricted-imports'],
  [decision, "export {execa} from 'execa'", 'no-restricted-imports'],
  [decision, "export {EC2Client} from '@aws-sdk/client-ec2'", 'no-restricted-imports'],
  [decision, "export {run} from '../host/run.ts'", 'no-restricted-imports'],
  [decision, "export {Epoch} from '@hearth/proto/ids'", null],
  [decision, "export {report} from './report.ts'", null],
  [decision, "export {runtime} from '../builder/runtime.ts'", null],
  [simulated, "export {join} from 'node:path'", null],
  [simulated, "export type {Socket} from 'node:net'", null],
  ['test/e2e/N.ts', 'const go = async () => 1\ngo()', 'no-floating-promises'],
  ['test/e2e/N.ts', '[1].forEach(async () => {})', 'no-misused-promises'],
]

const biomeCases: readonly Case[] = [
  ['agent/src/N.ts', "console.log('a')\n", 'noConsole'],
  ['fleet/src/cli/printer.ts', "console.log('a')\n", null],
  ['agent/src/N.ts', 'export default 1\n', 'noDefaultExport'],
  ['N.config.ts', 'export default 1\n', null],
  ['agent/src/N.ts', 'try {\n  JSON.parse(`{}`)\n} catch {}\n', 'noEmptyBlockStatements'],
  ['agent/src/N.ts', 'export enum A {\n  B,\n}\n', 'noEnum'],
  ['agent/src/cycle.ts', "import {b} from './other.ts'\n\nexport const a = b\n", 'noImportCycles'],
  ['agent/src/other.ts', "import {a} from './cycle.ts'\n\nexport const b = a\n", 'noImportCycles'],
]

const planted = realpathSync(mkdtempSync(join(tmpdir(), 'hearth-lint-')))
afterAll(() => rmSync(planted, {recursive: true}))

describe('oxlint', () => testCases(oxlintCases, 'oxlint', ['--type-aware', '--format=unix']))
describe('biome', () => testCases(biomeCases, 'biome', ['lint', '--reporter=github', '--max-diagnostics=none']))

describe('decision files', () => {
  const sources = execFileSync('git', ['ls-files', 'agent/src', 'fleet/src'], {cwd: root, encoding: 'utf8'}).split('\n')
  const decides = /\/(?:[\w-]+-)?(?:plan|transition|place|decide|desired|state|kept-mounts|outcome)\.ts$/
  // the command line's plan reads files: it prepares a build and decides nothing that others rely on
  const files = sources.filter((path) => decides.test(path) && !path.startsWith('fleet/src/cli/'))

  test.each(files)('%s has a property test beside it', (path) => {
    expect(readFileSync(join(root, path.replace(/\.ts$/, '.test.ts')), 'utf8')).toMatch(/from 'fast-check'/)
  })

  test('are found', () => expect(files.length).toBeGreaterThan(6))
})

function testCases(cases: readonly Case[], linter: string, args: readonly string[]) {
  const folder = join(planted, linter)
  let broken: ReadonlyMap<string, ReadonlySet<string>>
  beforeAll(() => {
    prepare(folder)
    for (const [n, [path, code]] of cases.entries()) plant(join(folder, path.replace('N', `case${n}`)), code)
    broken = rulesBroken(folder, join(root, 'node_modules/.bin', linter), args)
  })
  test.each(cases.map((planted, n) => [...planted, n] as const))('%s: %j: %s', (path, _code, rule, n) => {
    expect([...(broken.get(path.replace('N', `case${n}`)) ?? [])]).toEqual(rule === null ? [] : [rule])
  })
}

function prepare(folder: string) {
  execFileSync('git', ['init', '-q', folder])
  for (const file of ['.oxlintrc.json', 'biome.json', 'tsconfig.base.json', 'tsconfig.json', '.gitignore']) {
    cpSync(join(root, file), join(folder, file))
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
}

function plant(file: string, code: string) {
  mkdirSync(dirname(file), {recursive: true})
  writeFileSync(file, code)
}

function rulesBroken(folder: string, linter: string, args: readonly string[]) {
  const {stdout, stderr, status} = spawnSync(linter, args, {cwd: folder, encoding: 'utf8'})
  if (status !== 1) throw new Error(`${linter} ended with ${status}: ${stdout}${stderr}`)
  const oxlint = stdout.matchAll(/^(\S+?):\d+:.*\/(?:eslint|typescript)\(([a-z-]+)\)/gm)
  const biome = stdout.matchAll(/title=lint\/\w+\/(\w+),file=([^,]+)/g)
  const broken = new Map<string, Set<string>>()
  const add = (file = '', rule = '') => broken.set(file, (broken.get(file) ?? new Set()).add(rule))
  for (const [, file, rule] of oxlint) add(file, rule)
  for (const [, rule, file = ''] of biome) add(relative(folder, file), rule)
  return broken
}
