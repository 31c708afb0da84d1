import type {Build, BuildLease} from '@hearth/proto/api'
import type {FailedStep} from '@hearth/proto/common'
import {formatAge, formatAgo, formatBytes, formatClock, formatDuration, formatSeconds} from '../format.ts'
import type {Outputs} from './outputs.ts'

// Every sentence of `hearth build`, as values of what is known.

/** `web · amd64 · this host · cache: generation 41, 3 min old, 2.1 GB, attached in 64 ms` */
export const beforeLine = (
  {project, trust}: Pick<Build, 'project' | 'trust'>,
  lease: BuildLease,
  now: number,
): string =>
  [
    project,
    lease.architecture,
    lease.local ? 'this host' : (lease.host ?? 'a host'),
    cachePart(lease, now),
    ...(trust === 'untrusted' ? ['untrusted: nothing of it stays in the cache'] : []),
  ].join(' · ')

const cachePart = (lease: BuildLease, now: number): string => {
  const {from, fromSealedAt, fromCheckpoint, rolledBack, why} = lease.cache
  if (rolledBack && from !== null) {
    const ago = fromCheckpoint && fromSealedAt !== null ? ` (checkpoint of ${formatAgo(now - fromSealedAt)})` : ''
    return `cache rolled back to generation ${from}${ago}${because(why)}`
  }
  if (rolledBack) return `cache lost, starting empty${because(why)}`
  if (from !== null) return `cache: ${[`generation ${from}`, ...cacheFacts(lease, now)].join(', ')}`
  if (lease.warm) return `cache: ${cacheFacts(lease, now).join(', ')}`
  return why === null ? 'no cache yet' : `no cache yet: ${why}`
}

const because = (why: string | null): string => (why === null ? '' : `, because ${why}`)

const cacheFacts = ({cache, warm, timingsMs}: BuildLease, now: number): readonly string[] => {
  const {attach, mount} = timingsMs
  const age = cache.fromSealedAt === null ? null : formatAge(now - cache.fromSealedAt)
  return [
    age === null ? null : age === 'just now' ? 'sealed just now' : `${age} old`,
    cache.usedBytes === null ? null : formatBytes(cache.usedBytes),
    warm ? 'warm' : attach === undefined ? null : `attached in ${formatDuration(attach + (mount ?? 0))}`,
  ].filter((fact) => fact !== null)
}

/** What the leases wait for, and since when; null while none waits. */
export const waitingText = (build: Build): {readonly why: string; readonly since: number} | null => {
  const waiting = build.leases.flatMap(({waiting, architecture}) => (waiting ? [{...waiting, architecture}] : []))
  const [first] = waiting
  if (!first) return null
  const whys = build.leases.length === 1 ? [first.why] : waiting.map(({architecture, why}) => `${architecture}: ${why}`)
  return {why: whys.join('; '), since: Math.min(...waiting.map(({since}) => since))}
}

/** One line that is written over: `waiting 12 s: both slots of this host are busy`. */
export const waitingUpdate = ({why, since}: {why: string; since: number}, now: number): string =>
  `waiting ${Math.max(0, Math.round((now - since) / 1000))} s: ${why}`

/** One line that stays, where nothing can be written over. */
export const waitingLine = ({why, since}: {why: string; since: number}): string =>
  `waiting since ${formatClock(since)}: ${why}`

export type MeasuredTimes = {readonly totalMs: number; readonly acquireMs: number}

/** `built in 1.9 s · 17 of 19 steps cached · 0.1 s queue+attach, 1.6 s build, 0.2 s export` */
export const builtLine = (build: Build, {totalMs, acquireMs}: MeasuredTimes): string => {
  const steps = build.leases.flatMap((lease) => lease.steps ?? [])
  const total = sum(steps.map((count) => count.total))
  const cached = sum(steps.map((count) => count.cached))
  const exports = build.leases.flatMap(({exportMs}) => exportMs ?? [])
  const exportMs = exports.length > 0 ? Math.min(Math.max(...exports), totalMs - acquireMs) : 0
  const spans = [
    `${formatSeconds(acquireMs)} queue+attach`,
    `${formatSeconds(totalMs - acquireMs - exportMs)} build`,
    exportMs > 0 ? `${formatSeconds(exportMs)} export` : null,
  ].filter((span) => span !== null)
  const counted = total > 0 ? [`${cached} of ${total} steps cached`] : []
  return [`built in ${formatSeconds(totalMs)}`, ...counted, spans.join(', ')].join(' · ')
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** Where the result is now. */
export const resultLines = ({loaded, pushed, written, makesImage, usesStdout, load}: Outputs): readonly string[] => [
  ...(load !== null ? [`loaded into Docker${loaded.length > 0 ? `: ${loaded.join(', ')}` : ''}`] : []),
  ...(pushed.length > 0 ? [`pushed ${pushed.join(', ')}`] : []),
  ...(written.length > 0 ? [`written to ${written.join(', ')}`] : []),
  ...(makesImage || usesStdout || written.length > 0
    ? []
    : ['the result stays in the cache: add --load, --push or -o to take it out']),
]

/** The last line of a build that did not succeed. */
export const endedLine = (build: Build): string => {
  const lease = build.leases.find(({outcome}) => outcome === build.state) ?? build.leases[0]
  const reason = firstLine(build.reason ?? lease?.reason ?? null)
  if (build.state === 'infrastructure') {
    const unserved = lease?.outcome === 'infrastructure' && lease.host === null // then the reason says what to do
    return `Hearth's fault, not yours: ${reason ?? 'the builder is gone'}${unserved ? '' : ' · run it again'}`
  }
  if (build.state === 'cancelled') return `build ${build.id}${reason ? `: ${reason}` : ' was cancelled'}`
  const which = build.leases.length > 1 && lease ? ` on ${lease.architecture}` : ''
  return `build ${build.id} failed${which}${failure(lease?.failedStep ?? null, reason)} · hearth logs ${build.id}`
}

const failure = (step: FailedStep | null, reason: string | null): string => {
  if (!step) return reason ? `: ${shorten(reason)}` : ''
  const place = step.number !== null && step.of !== null ? `step ${step.number}/${step.of}` : `'${shorten(step.name)}'`
  if (step.exitCode !== null)
    return ` in ${place} (your RUN exited ${step.exitCode}${memoryHint(step.exitCode, reason)})`
  return ` in ${place}${reason ? ` (${shorten(reason)})` : ''}`
}

/** 137 is a kill: if the builder's memory limit did it, the reason says so, and that is worth more than a number. */
const memoryHint = (exitCode: number, reason: string | null): string =>
  exitCode === 137 && reason !== null && /memory/i.test(reason) ? `: ${shorten(reason)}` : ''

const firstLine = (text: string | null): string | null => text?.split('\n')[0]?.trim() || null
/** A chain of errors begins with what failed and ends with why. */
const shorten = (text: string): string => (text.length > 140 ? `${text.slice(0, 69)} … ${text.slice(-68)}` : text)

/** docker's cache flags, which people have in their scripts. */
export const ignoredCacheFlags = (from: readonly string[], to: readonly string[]): string | null => {
  const ignored = [...from.map((value) => `--cache-from ${value}`), ...to.map((value) => `--cache-to ${value}`)]
  if (ignored.length === 0) return null
  return `cache flags are not needed here: the project's cache is attached (ignored ${ignored.join(', ')})`
}
