import type {Clock} from '@hearth/proto/clock'
import type {Endpoint} from '@hearth/proto/common'
import type {BuilderId} from '@hearth/proto/ids'
import type {FakeDisk} from '../volume/fake-disk.ts'
import {type FakeConnection, FakeDaemon, type FakePace, type FakeTrouble, noTrouble} from './fake-daemon.ts'
import type {FakeRuntimeEvent} from './fake-events.ts'
import type {BuilderSpec} from './runtime.ts'

/** What is left in a builder's own directory. `daemon` null: whoever made it died before it started anything. */
export type FakeBuilder = {
  readonly caPem: string | null
  readonly endpoints: readonly Endpoint[]
  readonly daemon: FakeDaemon | null
}
export type FakeCertificate = {
  readonly caPem: string
  readonly publicKey: string
  readonly notBefore: number
  readonly notAfter: number
}
export type FakeBuildersDeps = {
  readonly address: string
  readonly disk: FakeDisk
  readonly clock: Clock
  readonly pace?: () => FakePace
  /** As `RuntimeOptions`. */
  readonly frozenAtMostMs?: number
  readonly onEvent?: (event: FakeRuntimeEvent) => void
}

/** Nobody answers there, or the certificate is not accepted. */
export class FakeConnectError extends Error {
  override readonly name = 'FakeConnectError'
}

const quick: FakePace = {mountMs: 1, startMs: 1, cancelMs: 1, stopMs: 1, thawsAlone: true}
const firstPort = 40_000

/**
 * The builders of one imagined host, and what its kernel shows of them. They outlive agents: `createFakeRuntime` on the same builders
 * is an agent that restarted. Clients reach them as over the network: `connect`.
 */
export class FakeBuilders {
  readonly all = new Map<BuilderId, FakeBuilder>()
  readonly deps: Required<FakeBuildersDeps>
  /** Of builders that are launched from now on. */
  trouble: FakeTrouble = noTrouble
  #cas = 0

  constructor(deps: FakeBuildersDeps) {
    this.deps = {pace: () => quick, frozenAtMostMs: 10_000, onEvent: () => undefined, ...deps}
  }

  /** False if there is one already. */
  makeDirectory(builder: BuilderId): boolean {
    if (this.all.has(builder)) return false
    this.all.set(builder, {caPem: null, endpoints: [], daemon: null})
    return true
  }

  launch(spec: BuilderSpec): FakeDaemon {
    const {address} = this.deps
    const daemon = new FakeDaemon(spec, this.deps, this.trouble)
    const endpoints = [{kind: 'tcp', address, port: this.#freePort(), serverName: address}]
    this.all.set(spec.builder, {caPem: `ca ${this.#cas++} of ${spec.builder} on ${address}`, endpoints, daemon})
    return daemon
  }

  /** The lowest: so a port is soon another builder's, as it may be on a real host. */
  #freePort(): number {
    const taken = [...this.all.values()].flatMap(({daemon, endpoints}) => (daemon?.runs ? endpoints : []))
    for (let port = firstPort; ; port++) if (!taken.some((endpoint) => endpoint.port === port)) return port
  }

  /** TLS both ways: the builder has the CA that the client expects, and has signed the certificate of this client's key not long ago. */
  connect(
    port: number,
    {caPem, certificatePem, publicKey}: {caPem: string; certificatePem: string | null; publicKey: string},
  ): FakeConnection {
    const found = [...this.all.values()].find(({endpoints}) => endpoints.some((endpoint) => endpoint.port === port))
    const daemon = found?.daemon
    if (daemon?.state !== 'serving') throw new FakeConnectError(`nobody listens on port ${port}`)
    const certificate = certificatePem === null ? null : (JSON.parse(certificatePem) as FakeCertificate)
    const now = this.deps.clock.now()
    const isSigned = found?.caPem === caPem && certificate?.caPem === caPem && certificate.publicKey === publicKey
    if (certificate && isSigned && certificate.notBefore <= now && now <= certificate.notAfter) {
      return daemon.accept(publicKey)
    }
    const {builder} = daemon.spec
    this.deps.onEvent({type: 'refused', builder, publicKey})
    throw new FakeConnectError(`builder ${builder} does not accept this certificate`)
  }

  /** Power loss: no process is left, and the directories of builders are on a tmpfs. The disk crashes on its own. */
  crash(): void {
    const lost = [...this.all.values()]
    this.all.clear()
    for (const {daemon} of lost) daemon?.lose()
  }
}
