import type {Build, BuildLease} from '@hearth/proto/api'
import type {TimingsMs} from '@hearth/proto/common'
import {formatAgo, formatBytes, formatDuration} from '../format.ts'
import {apiPath, show, type VerbContext, verb, withBuild, withOutput} from '../verb.ts'

export const showCommand = (context: VerbContext) =>
  verb({
    command: 'show <id>',
    describe: 'Show a build: where it ran, on which cache, and what took how long',
    builder: (args) => withOutput(withBuild(args)),
    handler: async ({id, output}) => {
      const build = await context.fleet().json<Build>('GET', apiPath('builds', id))
      await show(context, output, buildRecord(build), () => buildText(build, Date.now()))
    },
  })

/** The record that scripts read; the spans of stop, detach and seal come in after the build has ended. */
export const buildRecord = ({id, project, trust, state, reason, leases}: Build) => ({
  id,
  project,
  trust,
  state,
  reason,
  leases: leases.map(({architecture, host, cache: {from, sealed, why}, steps, timingsMs}) => ({
    architecture,
    host,
    cache: {from, sealed, why},
    steps,
    timingsMs: spansOf(timingsMs),
  })),
})

/** In the order of a build's life, in tenths of a millisecond. */
const spansOf = (timingsMs: TimingsMs): TimingsMs =>
  Object.fromEntries(
    spanOrder.flatMap((name) => (timingsMs[name] === undefined ? [] : [[name, Math.round(timingsMs[name] * 10) / 10]])),
  )

const spanOrder = [
  'queue',
  'place',
  'attach',
  'mount',
  'start',
  'build',
  'stop',
  'detach',
  'seal',
] as const satisfies readonly (keyof TimingsMs)[]

/** A paragraph for the build and one for each lease. */
export const buildText = (build: Build, now: number): string =>
  [
    `${build.id}  ${build.project}  ${build.state}${build.trust === 'untrusted' ? '  untrusted' : ''}`,
    ...(build.reason ? [`  ${build.reason}`] : []),
    `  by ${build.createdBy}, ${formatAgo(now - build.createdAt)}`,
    ...build.leases.flatMap(leaseLines),
  ].join('\n')

const leaseLines = (lease: BuildLease): readonly string[] => {
  const times = Object.entries(spansOf(lease.timingsMs)).map(([span, ms]) => `${span} ${formatDuration(ms)}`)
  const steps = lease.steps ? `, ${lease.steps.cached} of ${lease.steps.total} steps cached` : ''
  return [
    `  ${lease.architecture} on ${lease.host ?? 'no host yet'}: ${lease.outcome ?? lease.state}${steps}`,
    ...(lease.waiting ? [`    waits: ${lease.waiting.why}`] : []),
    `    cache: ${cacheText(lease)}`,
    ...(times.length > 0 ? [`    times: ${times.join(', ')}`] : []),
  ]
}

const cacheText = ({cache, outcome, host}: BuildLease): string => {
  const {from, fromCheckpoint, rolledBack, sealed, settled, usedBytes, why} = cache
  return [
    from === null
      ? 'started empty'
      : `${rolledBack ? 'rolled back to' : 'from'} generation ${from}${fromCheckpoint ? ' (a checkpoint)' : ''}`,
    ...(usedBytes === null ? [] : [formatBytes(usedBytes)]),
    ...(sealed === null ? [] : [`sealed as ${sealed}`]),
    ...(why === null ? [] : [why]),
    ...(settled || outcome === null || host === null ? [] : ['not sealed yet: its builder is still there']),
  ].join(', ')
}
