import {randomUUID} from 'node:crypto'
import type {Outcome} from '@hearth/proto/common'
import type {DesiredBuilder, DesiredCopy} from '@hearth/proto/desired'
import type {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, ProjectId} from '@hearth/proto/ids'
import type {ObservedBuilder, Released} from '@hearth/proto/observed'
import {type BuildClient, type ClientBuild, makeBuildClient} from './build-client.ts'
import {daemonOf, endSleepOf} from './builders.ts'
import {makeContext} from './hearth.ts'
import type {ScriptedFleet} from './scripted-fleet.ts'
import type {TestDirectory} from './test-directory.ts'
import {tools} from './tools.ts'

export type LaunchOptions = {
  readonly memoryBytes?: number
  readonly sizeBytes?: number
  readonly maxUsedSpaceBytes?: number
  /** Go on with this one's copy. */
  readonly copyOf?: BuilderOnAgent
  /** A clone of this generation, with the file system of the copy in which its line began. */
  readonly cloneOf?: {readonly generation: GenerationId; readonly filesystem: CopyId}
}

const gibibyte = 1024 ** 3

/** One builder that the scripted fleet wants from its agent, from there. */
export class BuilderOnAgent {
  readonly builder = `test-${randomUUID().slice(0, 13)}` as BuilderId
  readonly copy: CopyId
  readonly client: BuildClient
  readonly #fleet: ScriptedFleet
  readonly #directory: TestDirectory
  #leases = 0

  constructor(fleet: ScriptedFleet, directory: TestDirectory, options: LaunchOptions) {
    this.#fleet = fleet
    this.#directory = directory
    this.client = makeBuildClient(directory, tools.buildctl)
    this.copy = options.copyOf?.copy ?? (randomUUID() as CopyId)
    const epoch = (options.copyOf ? options.copyOf.wanted.epoch + 1 : 1) as Epoch
    const {builders, copies, generations} = fleet.wanted
    const all = options.copyOf ? copies : [...copies, copyOf(this.copy, options)]
    fleet.want({builders: [...builders, builderOf(this.builder, this.copy, epoch, options)], copies: all, generations})
  }

  get wanted(): DesiredBuilder {
    const found = this.#fleet.wanted.builders.find(({builder}) => builder === this.builder)
    if (!found) throw new Error(`builder ${this.builder} is not wanted any more`)
    return found
  }

  want(change: Partial<DesiredBuilder>): void {
    const {builders, copies, generations} = this.#fleet.wanted
    const changed = builders.map((each) => (each.builder === this.builder ? {...each, ...change} : each))
    this.#fleet.want({builders: changed, copies, generations})
  }

  /** Is not listed any more. */
  forget(): void {
    const {builders, copies, generations} = this.#fleet.wanted
    this.#fleet.want({builders: builders.filter(({builder}) => builder !== this.builder), copies, generations})
  }

  async until<Found>(what: string, look: (seen: ObservedBuilder) => Found | undefined): Promise<Found> {
    return await this.#fleet.until(`${what} of ${this.builder}`, ({builders}) => {
      const seen = builders.find(({builder}) => builder === this.builder)
      return seen && look(seen)
    })
  }

  async ready(): Promise<ObservedBuilder> {
    return await this.until('ready', (seen) => {
      if (seen.fault) throw new Error(`builder ${this.builder} did not start: ${seen.fault.message}`)
      return seen.phase === 'warm' ? seen : undefined
    })
  }

  /** Gives it a new lease, and waits for the certificate. */
  async lease(): Promise<LeaseId> {
    const lease = `${this.builder}-l${++this.#leases}` as LeaseId
    const clients = [this.client.publicKey]
    this.want({
      lease: {build: `${this.builder}-b${this.#leases}` as BuildId, lease, clients, finishing: false, cancel: null},
    })
    await this.until('a certificate', (seen) => (seen.lease?.lease === lease ? seen : undefined))
    return lease
  }

  /** Begins to build these lines of a Dockerfile on the present lease; `more` are arguments of buildctl. */
  async build(lines: string | readonly string[], ...more: readonly string[]): Promise<ClientBuild> {
    const seen = await this.until('a way to it', (each) => (each.lease && each.caPem ? each : undefined))
    const certificatePem = seen.lease?.certificates[0]?.certificatePem ?? ''
    const context = await makeContext(this.#directory, `context-${randomUUID()}`, [lines].flat())
    const way = {endpoints: seen.endpoints, caPem: seen.caPem ?? '', certificatePem}
    return await this.client.build(way, context, ...more)
  }

  /** The same on a new lease. */
  async buildOnLease(...lines: readonly string[]): Promise<ClientBuild> {
    await this.lease()
    return await this.build(lines)
  }

  /** The client's word that it is done. */
  finish(): void {
    const {lease} = this.wanted
    if (lease) this.want({lease: {...lease, finishing: true}})
  }

  cancel(reason: string): void {
    const {lease} = this.wanted
    if (lease) this.want({lease: {...lease, cancel: reason}})
  }

  async outcome(lease: LeaseId): Promise<Outcome> {
    return await this.until('an outcome', ({outcomes}) => outcomes.find((each) => each.lease === lease))
  }

  /** Leases it, builds, and ends the lease. */
  async buildOnce(...lines: readonly string[]): Promise<Outcome & {readonly said: string}> {
    const lease = await this.lease()
    const {said} = await (await this.build(lines)).ended
    this.finish()
    return {...(await this.outcome(lease)), said}
  }

  /** Ends it; `seal` is the generation to make. */
  async terminate(seal: GenerationId | null = null): Promise<Released> {
    this.want({lease: null, want: 'terminated', reason: 'no longer wanted', seal})
    return await this.released()
  }

  /** Lets a step that sleeps go on. */
  async endSleep(): Promise<void> {
    await endSleepOf(this.builder)
  }

  /** Its buildkitd's pid. */
  async daemon(): Promise<number> {
    return (await daemonOf(this.builder)).pid
  }

  async released(): Promise<Released> {
    return await this.until('a release', ({released}) => released ?? undefined)
  }
}

const copyOf = (copy: CopyId, {sizeBytes = 4 * gibibyte, cloneOf}: LaunchOptions): DesiredCopy => ({
  copy,
  project: 'p-1' as ProjectId,
  architecture: 'amd64',
  from: cloneOf?.generation ?? null,
  filesystem: cloneOf?.filesystem ?? copy,
  sizeBytes,
  want: 'present',
})

const builderOf = (builder: BuilderId, copy: CopyId, epoch: Epoch, options: LaunchOptions): DesiredBuilder => ({
  builder,
  project: 'p-1' as ProjectId,
  architecture: 'amd64',
  trust: 'trusted',
  copy,
  epoch,
  limits: {cpuWeight: 100, memoryBytes: options.memoryBytes ?? gibibyte},
  maxUsedSpaceBytes: options.maxUsedSpaceBytes ?? 3 * gibibyte,
  lease: null,
  want: 'ready',
  reason: '',
  seal: null,
})
