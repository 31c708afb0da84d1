import type {BuildLease} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {fakeBuild, fakeLease} from './fake-build.ts'
import {parseBuild} from './flags.ts'
import {
  beforeLine,
  builtLine,
  endedLine,
  ignoredCacheFlags,
  resultLines,
  waitingLine,
  waitingText,
  waitingUpdate,
} from './messages.ts'
import {resolveOutputs} from './outputs.ts'

const minute = 60_000
const now = 1_000_000_000_000
const cache = (more: Partial<BuildLease['cache']>): BuildLease['cache'] => ({...fakeLease().cache, ...more})

describe('before', () => {
  it.each<[what: string, lease: Partial<BuildLease>, line: string]>([
    [
      'reattached here',
      {
        local: true,
        cache: cache({from: 41, fromSealedAt: now - 3 * minute, usedBytes: 2.1e9}),
        timingsMs: {attach: 50, mount: 14.2},
      },
      'web · amd64 · this host · cache: generation 41, 3 min old, 2.1 GB, attached in 64 ms',
    ],
    [
      'warm elsewhere',
      {host: 'iron', warm: true, architecture: 'arm64', cache: cache({from: 2, fromSealedAt: now, usedBytes: 5e6})},
      'web · arm64 · iron · cache: generation 2, sealed just now, 5.0 MB, warm',
    ],
    [
      'warm, never sealed',
      {host: 'iron', warm: true, cache: cache({usedBytes: 5e6})},
      'web · amd64 · iron · cache: 5.0 MB, warm',
    ],
    ['the first', {local: true}, 'web · amd64 · this host · no cache yet'],
    [
      'the first, explained',
      {local: true, cache: cache({why: 'it was reset'})},
      'web · amd64 · this host · no cache yet: it was reset',
    ],
    [
      'rolled back',
      {host: 'iron', cache: cache({from: 40, rolledBack: true, why: 'generation 41 was not readable'})},
      'web · amd64 · iron · cache rolled back to generation 40, because generation 41 was not readable',
    ],
    [
      'rolled back to a checkpoint',
      {
        host: 'iron',
        cache: cache({
          ...{from: 41, fromSealedAt: now - 3 * minute, fromCheckpoint: true, rolledBack: true},
          why: 'its builder failed: buildkitd ended by itself',
        }),
      },
      'web · amd64 · iron · cache rolled back to generation 41 (checkpoint of 3 min ago), because its builder failed: buildkitd ended by itself',
    ],
    [
      'lost',
      {host: 'iron', cache: cache({rolledBack: true, why: 'its host is gone'})},
      'web · amd64 · iron · cache lost, starting empty, because its host is gone',
    ],
  ])('%s', (_, lease, line) => {
    expect(beforeLine(fakeBuild(), fakeLease(lease), now)).toBe(line)
  })

  it('of an untrusted build says that nothing of it is kept', () => {
    const line = beforeLine(fakeBuild({trust: 'untrusted'}), fakeLease({local: true, cache: cache({from: 41})}), now)
    expect(line).toMatch(
      /^web · amd64 · this host · cache: generation 41 · untrusted: nothing of it stays in the cache$/,
    )
  })
})

describe('while it waits', () => {
  const waiting = (why: string, ago: number) => ({why, since: now - ago})

  it('says why, and since when', () => {
    const build = fakeBuild({leases: [fakeLease({waiting: waiting('both slots are busy', 12_000)})]})
    const text = waitingText(build)
    expect(text).toEqual({why: 'both slots are busy', since: now - 12_000})
    expect(text && waitingUpdate(text, now)).toBe('waiting 12 s: both slots are busy')
    expect(text && waitingLine(text)).toMatch(/^waiting since \d\d:\d\d:\d\d: both slots are busy$/)
    expect(text && waitingUpdate(text, now - minute)).toBe('waiting 0 s: both slots are busy')
  })

  it('names the architecture where there are two, and the longest wait', () => {
    const leases = [
      fakeLease({waiting: waiting('busy', 1000)}),
      fakeLease({architecture: 'arm64', waiting: waiting('no host', 9000)}),
    ]
    expect(waitingText(fakeBuild({leases}))).toEqual({why: 'amd64: busy; arm64: no host', since: now - 9000})
  })

  it('has nothing to say when nothing waits', () => {
    expect(waitingText(fakeBuild())).toBe(null)
  })
})

describe('after', () => {
  it('adds up to the whole', () => {
    const build = fakeBuild({state: 'succeeded', leases: [fakeLease({steps: {total: 19, cached: 17}, exportMs: 200})]})
    expect(builtLine(build, {totalMs: 1900, acquireMs: 100})).toBe(
      'built in 1.9 s · 17 of 19 steps cached · 0.1 s queue+attach, 1.6 s build, 0.2 s export',
    )
  })

  it('leaves out what is not known, and adds up several leases', () => {
    expect(builtLine(fakeBuild(), {totalMs: 900, acquireMs: 100})).toBe(
      'built in 0.9 s · 0.1 s queue+attach, 0.8 s build',
    )
    const lease = fakeLease({steps: {total: 3, cached: 1}, exportMs: 0})
    expect(builtLine(fakeBuild({leases: [lease, lease]}), {totalMs: 900, acquireMs: 100})).toBe(
      'built in 0.9 s · 2 of 6 steps cached · 0.1 s queue+attach, 0.8 s build',
    )
  })

  it.each([
    ['', ['the result stays in the cache: add --load, --push or -o to take it out']],
    ['-t r.io/web --push --load', ['loaded into Docker: r.io/web', 'pushed r.io/web']],
    ['--load', ['loaded into Docker']],
    ['-o out', ['written to out']],
    ['-o -', []],
    ['-t web -o type=image', []],
  ])('says where the result is: %s', (line, expected) => {
    expect(resultLines(resolveOutputs(parseBuild(line.split(' ').filter(Boolean)).flags))).toEqual(expected)
  })
})

describe('the end of a build that did not succeed', () => {
  const failed = (more: Partial<BuildLease>, architectures = 1) =>
    endedLine(
      fakeBuild({
        state: 'failed',
        leases: [fakeLease({outcome: 'failed', ...more}), fakeLease({architecture: 'arm64'})].slice(0, architectures),
      }),
    )
  const step = {name: '[4/9] RUN make', number: 4, of: 9, exitCode: 7}

  it.each<[more: Partial<BuildLease>, line: string]>([
    [{failedStep: step}, 'build b-7f3 failed in step 4/9 (your RUN exited 7) · hearth logs b-7f3'],
    [
      {failedStep: {...step, exitCode: 137}, reason: 'the step passed the memory limit of 2.0 GB'},
      'build b-7f3 failed in step 4/9 (your RUN exited 137: the step passed the memory limit of 2.0 GB) · hearth logs b-7f3',
    ],
    [
      {failedStep: {...step, exitCode: null}, reason: '"/app.js": not found\nmore'},
      'build b-7f3 failed in step 4/9 ("/app.js": not found) · hearth logs b-7f3',
    ],
    [
      {failedStep: {name: 'pushing web', number: null, of: null, exitCode: null}, reason: 'denied'},
      "build b-7f3 failed in 'pushing web' (denied) · hearth logs b-7f3",
    ],
    [
      {reason: 'dockerfile parse error on line 1'},
      'build b-7f3 failed: dockerfile parse error on line 1 · hearth logs b-7f3',
    ],
    [
      {reason: `failed to push: ${'x'.repeat(200)}: connection refused`},
      `build b-7f3 failed: failed to push: ${'x'.repeat(53)} … ${'x'.repeat(48)}: connection refused · hearth logs b-7f3`,
    ],
    [{}, 'build b-7f3 failed · hearth logs b-7f3'],
  ])('failed: %j', (more, line) => {
    expect(failed(more)).toBe(line)
  })

  it('names the architecture where there are two', () => {
    expect(failed({failedStep: step}, 2)).toBe(
      'build b-7f3 failed on amd64 in step 4/9 (your RUN exited 7) · hearth logs b-7f3',
    )
  })

  it('is not the fault of the user when it is not', () => {
    const build = fakeBuild({state: 'infrastructure', reason: 'host went away'})
    expect(endedLine(build)).toBe("Hearth's fault, not yours: host went away · run it again")
    expect(endedLine({...build, reason: null})).toBe("Hearth's fault, not yours: the builder is gone · run it again")
    const unserved = fakeLease({architecture: 'arm64', outcome: 'infrastructure'})
    expect(endedLine({...build, reason: 'no host has arm64: add one', leases: [unserved]})).toBe(
      "Hearth's fault, not yours: no host has arm64: add one",
    )
  })

  it('says who cancelled it, and why', () => {
    const build = fakeBuild({state: 'cancelled', reason: 'cancelled by ann: wrong branch'})
    expect(endedLine(build)).toBe('build b-7f3: cancelled by ann: wrong branch')
    expect(endedLine({...build, reason: null})).toBe('build b-7f3 was cancelled')
  })
})

it('says which cache flags were ignored', () => {
  expect(ignoredCacheFlags([], ['type=gha'])).toBe(
    "cache flags are not needed here: the project's cache is attached (ignored --cache-to type=gha)",
  )
  expect(ignoredCacheFlags(['a'], ['b'])).toContain('(ignored --cache-from a, --cache-to b)')
  expect(ignoredCacheFlags([], [])).toBe(null)
})
