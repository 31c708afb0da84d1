import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Build, BuildLease} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {FleetUnreachableError, InterruptedError} from '../failures.ts'
import {fakePrinter} from '../fake-printer.ts'
import {fakeBuild, fakeLease} from './fake-build.ts'
import {type FakeFleetHttp, fakeFleetHttp} from './fake-fleet-http.ts'
import {parseBuild} from './flags.ts'
import {planBuild} from './plan.ts'
import {runBuild} from './run-build.ts'

// The client's whole way, with a real child process in buildctl's place: a shell script that does what the test says.

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-run-'))
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\n')
})
afterEach(() => rmSync(directory, {recursive: true}))

const ready = (more: Partial<BuildLease> = {}): BuildLease =>
  fakeLease({
    state: 'ready',
    local: true,
    connection: {
      endpoints: [{kind: 'relay'}, {kind: 'tcp', address: '10.0.0.1', port: 4000, serverName: 'hearth-builder'}],
      caPem: 'CA',
      certificatePem: 'CERTIFICATE',
    },
    ...more,
  })
const running = fakeBuild({state: 'running', leases: [ready()]})
const ended = (more: Partial<Build>) => fakeBuild({...running, ...more})

/** Answers `create` with a ready builder and `finish` with this end. */
const fleetThatEnds = (end: Partial<Build>, start: Build = running): FakeFleetHttp =>
  fakeFleetHttp(({path}, self) => {
    if (path === '/v1/builds') self.change(start)
    if (path.endsWith('/finish') || path.endsWith('/cancel')) self.change(fakeBuild({...start, ...end}))
  })

const start = async (
  fleet: FakeFleetHttp,
  script: string,
  flags: readonly string[] = [],
  signal = new AbortController().signal,
) => {
  const buildctl = join(directory, 'buildctl')
  writeFileSync(buildctl, `#!/bin/sh\nprintf '%s\\n' "$@" > '${directory}/args-'$$\n${script}\n`)
  chmodSync(buildctl, 0o700)
  const surroundings = {
    environment: {},
    workingDirectory: directory,
    stdin: process.stdin,
    stdoutIsTerminal: false,
    nodeArchitecture: 'x64',
    scratch: directory,
  }
  const plan = await planBuild(parseBuild(flags), surroundings)
  const print = fakePrinter()
  const request = {key: 'key-of-build', project: 'web', architectures: [...plan.architectures], publicKey: 'public'}
  const code = runBuild({plan, scratch: directory, buildctl, privateKeyPem: 'KEY', request, fleet}, {print, signal})
  return {code, print}
}

describe('runBuild', () => {
  it('builds on the first endpoint that it knows, says what it did, and hears the end from the fleet', async () => {
    const fleet = fleetThatEnds({state: 'succeeded', leases: [ready({steps: {total: 2, cached: 1}})]})
    const {code, print} = await start(fleet, `cat '${directory}/amd64/key.pem' > '${directory}/key'`, ['--target', 'x'])
    expect(await code).toBe(0)
    expect(fleet.asked.map(({path}) => path)).toEqual(['/v1/builds', '/v1/builds/b-7f3/finish'])
    expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('KEY')
    expect(print.err[0]).toBe('web · amd64 · this host · no cache yet')
    expect(print.err[1]).toMatch(/^built in .* · 1 of 2 steps cached · .* queue\+attach, .* build$/)
    expect(print.err[2]).toBe('the result stays in the cache: add --load, --push or -o to take it out')
    expect(print.out).toEqual([])
  })

  it('says why it waits, once for each reason', async () => {
    const waits = (why: string) => fakeBuild({leases: [fakeLease({waiting: {why, since: 0}})]})
    const fleet = fleetThatEnds({state: 'succeeded'}, waits('both slots are busy'))
    const {code, print} = await start(fleet, 'exit 0')
    fleet.change(waits('both slots are busy'))
    fleet.change(waits('the host is being drained'))
    fleet.change(running)
    await code
    expect(print.err.slice(0, 2).map((line) => line.replace(/\d\d:\d\d:\d\d/, 'T'))).toEqual([
      'waiting since T: both slots are busy',
      'waiting since T: the host is being drained',
    ])
  })

  it.each<[end: Partial<Build>, exit: number, code: number, line: string]>([
    [
      {state: 'failed', leases: [ready({outcome: 'failed', failedStep: {name: 'RUN', number: 4, of: 9, exitCode: 7}})]},
      1,
      1,
      'build b-7f3 failed in step 4/9 (your RUN exited 7) · hearth logs b-7f3',
    ],
    [
      {state: 'infrastructure', reason: 'host went away'},
      1,
      3,
      "Hearth's fault, not yours: host went away · run it again",
    ],
    [
      {state: 'infrastructure', reason: 'host went away'},
      0,
      3,
      "Hearth's fault, not yours: host went away · run it again",
    ],
    [
      {state: 'cancelled', reason: 'cancelled by ann: wrong branch'},
      1,
      1,
      'build b-7f3: cancelled by ann: wrong branch',
    ],
    [{state: 'succeeded'}, 1, 1, 'build b-7f3 succeeded, but its result did not arrive here · hearth logs b-7f3'],
  ])("the fleet's word counts: %j, buildctl %i: exit %i", async (end, exit, expected, line) => {
    const {code, print} = await start(fleetThatEnds(end), `exit ${exit}`)
    expect(await code).toBe(expected)
    expect(print.err.at(-1)).toBe(line)
  })

  it('says that it is done again to a fleet that did not hear it', async () => {
    let deaf = true
    const fleet = fakeFleetHttp(({path}, self) => {
      if (path === '/v1/builds') self.change(running)
      if (!path.endsWith('/finish')) return
      if (!deaf) return self.change(ended({state: 'succeeded'}))
      deaf = false
      throw new FleetUnreachableError('no Hearth', {refused: true})
    })
    const {code} = await start(fleet, 'exit 0')
    expect(await code).toBe(0)
    expect(fleet.asked.filter(({path}) => path.endsWith('/finish'))).toHaveLength(2)
  })

  it('ends at once with a build that ended before it had a builder', async () => {
    const fleet = fakeFleetHttp((_, self) =>
      self.change(fakeBuild({state: 'infrastructure', reason: 'no host for arm64'})),
    )
    const {code, print} = await start(fleet, `touch '${directory}/started'`)
    expect(await code).toBe(3)
    expect(print.err).toEqual(["Hearth's fault, not yours: no host for arm64 · run it again"])
    expect(existsSync(join(directory, 'started'))).toBe(false)
  })

  it('cancels on an interrupt, whatever buildctl says', async () => {
    const stop = new AbortController()
    const fleet = fleetThatEnds({state: 'cancelled'})
    const {code} = await start(
      fleet,
      `trap 'exit 0' INT; touch '${directory}/up'; while :; do sleep 0.01; done`,
      [],
      stop.signal,
    )
    const interrupted = expect(code).rejects.toThrow(InterruptedError)
    while (!existsSync(join(directory, 'up'))) await new Promise(setImmediate)
    stop.abort()
    await interrupted
    expect(fleet.asked.at(-1)).toMatchObject({
      path: '/v1/builds/b-7f3/cancel',
      body: {reason: 'interrupted by its user'},
    })
  })

  it('cancels a build that still waits, too', async () => {
    const stop = new AbortController()
    const fleet = fleetThatEnds({state: 'cancelled'}, fakeBuild())
    const {code} = await start(fleet, 'exit 0', [], stop.signal)
    const interrupted = expect(code).rejects.toThrow(InterruptedError)
    stop.abort()
    await interrupted
    expect(fleet.asked.at(-1)?.path).toBe('/v1/builds/b-7f3/cancel')
  })

  it('hands out id and metadata', async () => {
    const script = [
      'for a in "$@"; do case $a in --metadata-file=*) file=$(echo "$a" | cut -d= -f2) ;; esac; done',
      `echo '{"containerimage.config.digest": "sha256:c", "containerimage.digest": "sha256:m"}' > "$file"`,
    ].join('\n')
    const flags = [
      '-q',
      '-t',
      'web',
      '-o',
      'type=oci,dest=x',
      '--iidfile',
      join(directory, 'id'),
      '--metadata-file',
      join(directory, 'm'),
    ]
    const {code, print} = await start(fleetThatEnds({state: 'succeeded'}), script, flags)
    expect(await code).toBe(0)
    expect(print).toMatchObject({out: ['sha256:c'], err: []})
    expect(readFileSync(join(directory, 'id'), 'utf8')).toBe('sha256:c')
    expect(JSON.parse(readFileSync(join(directory, 'm'), 'utf8'))).toMatchObject({'containerimage.digest': 'sha256:m'})
  })

  it('builds two architectures side by side, each line with its name', async () => {
    const both = ended({leases: [ready(), ready({architecture: 'arm64'})]})
    const {code, print} = await start(
      fleetThatEnds({state: 'succeeded', leases: both.leases}, both),
      'echo working >&2',
      ['--platform', 'linux/amd64,linux/arm64'],
    )
    expect(await code).toBe(0)
    expect(print.err).toEqual(expect.arrayContaining(['amd64 │ working', 'arm64 │ working']))
  })
})
