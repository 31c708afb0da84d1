import type {FakeDaemon} from '@hearth/agent/builder/fake-daemon'
import {noTrouble} from '@hearth/agent/builder/fake-daemon'
import {FakeStoreDisk} from '@hearth/fleet/store/fake'
import type {BuilderId, CopyId, GenerationId} from '@hearth/proto/ids'
import type {Chance} from './chance.ts'
import type {FleetPlace} from './fleet-place.ts'
import type {HostPlace} from './host-place.ts'
import type {Life} from './life.ts'
import type {WorldEvent} from './log.ts'
import {calm, type Network} from './network.ts'
import {operate, operations} from './operator.ts'

/** What faults reach. */
export type Victims = {
  readonly chance: Chance
  readonly network: Network
  readonly fleet: FleetPlace
  readonly hosts: readonly HostPlace[]
  readonly clients: readonly {readonly plan: {readonly name: string}; readonly life: Life}[]
  readonly projects: readonly string[]
  readonly backups: FakeStoreDisk[]
  readonly later: (ms: number, run: () => void) => void
  readonly note: (place: string, event: WorldEvent) => void
}
type Strike = (victims: Victims) => void

const hourMs = 3_600_000

const onHost =
  (strike: (host: HostPlace, victims: Victims) => void): Strike =>
  (victims) => {
    const host = victims.chance.pick(victims.hosts)
    if (host) strike(host, victims)
  }

const onDaemon = (
  strike: (daemon: FakeDaemon, victims: Victims, on: {place: string; builder: BuilderId}) => void,
): Strike =>
  onHost(({builders, spec: {place}}, victims) => {
    const running = [...builders.all].flatMap(([builder, {daemon}]) => (daemon?.runs ? [{builder, daemon}] : []))
    const struck = victims.chance.pick(running)
    if (struck) strike(struck.daemon, victims, {place, builder: struck.builder})
  })

/** Soon, or at the next call of a kind, which may be a rare one. */
const someCall = (calls: ReadonlySet<string>, chance: Chance): number | string =>
  chance.happens(0.5) ? chance.skewed(1, 400) : (chance.pick([...calls]) ?? 1)

const cut = (a: string, b: string, {chance, network, later, note}: Victims): void => {
  note('world', {type: 'cut', a, b})
  network.cut(a, b)
  later(chance.skewed(100, 150_000), () => {
    network.mend(a, b)
    note('world', {type: 'mended', a, b})
  })
}

const freeze = (place: string, life: Life | null, mostMs: number, {chance, later, note}: Victims): void => {
  if (!life?.isAwake) return
  note(place, {type: 'froze'})
  life.freeze()
  later(chance.skewed(100, mostMs), () => {
    note(place, {type: 'thawed'})
    life.thaw()
  })
}

/** The fleet's program ends, and starts again on another store. */
const replaceStore = (disk: FakeStoreDisk, event: WorldEvent, {fleet, note}: Victims): void => {
  fleet.life?.die('its store is replaced')
  fleet.disk = disk
  note('fleet', event)
  fleet.start()
}

const strikes = {
  agentDies: onHost(({life, calls}, {chance}) => life?.dieAt(someCall(calls, chance))),
  agentIsReplaced: onHost((host) => host.stop()),
  agentLosesJournal: onHost((host) => host.loseJournal()),
  agentFreezes: onHost((host, victims) => freeze(host.spec.place, host.life, 120_000, victims)),
  hostLosesPower: onHost((host, {chance, later}) => {
    host.powerOff()
    later(chance.skewed(2_000, 200_000), () => host.powerOn())
  }),
  hostIsWiped: onHost((host, {chance, later}) => {
    host.powerOff()
    if (chance.happens(0.3)) host.wipe()
    later(chance.skewed(2_000, 60_000), () => host.powerOn())
  }),
  hostHasIoErrors: onHost((host, {chance, later}) => {
    host.ioErrors = chance.number() * 0.3
    later(chance.skewed(1_000, 60_000), () => {
      host.ioErrors = 0
    })
  }),
  hostClockJumps: onHost((host, {chance, note}) => {
    const ms = Math.round((chance.number() - 0.5) * 2 * chance.skewed(1_000, hourMs))
    host.wallOffsetMs += ms
    note(host.spec.place, {type: 'clockJumped', ms})
  }),
  fleetDies: ({fleet, chance}) => fleet.life?.dieAt(someCall(fleet.calls, chance)),
  fleetFreezes: (victims) => freeze('fleet', victims.fleet.life, 60_000, victims),
  fleetClockJumps: ({fleet, chance, note}) => {
    const ms = Math.round((chance.number() - 0.5) * 2 * chance.skewed(1_000, hourMs))
    fleet.wallOffsetMs += ms
    note('fleet', {type: 'clockJumped', ms})
  },
  fleetDiskIsFull: ({fleet, chance, later}) => {
    fleet.isFull = true
    later(chance.skewed(100, 20_000), () => {
      fleet.isFull = false
    })
  },
  fleetLosesStore: (victims) => replaceStore(new FakeStoreDisk(), {type: 'storeLost'}, victims),
  fleetRestoresBackup: (victims) => {
    const {length} = victims.backups
    const number = victims.chance.happens(0.6) ? length - 1 : victims.chance.between(0, length)
    const backup = victims.backups[number]
    if (backup) replaceStore(backup.copy(), {type: 'storeRestored', backup: number}, victims)
  },
  hostIsCutOff: onHost(({spec}, victims) => cut('fleet', spec.place, victims)),
  channelBreaks: onHost(({spec}, {network}) => network.reset('fleet', spec.place)),
  clientIsCutOff: (victims) => {
    const client = victims.chance.pick(victims.clients)
    const host = victims.chance.pick(victims.hosts)
    const other = victims.chance.happens(0.5) ? 'fleet' : host?.spec.place
    if (client && other) cut(client.plan.name, other, victims)
  },
  clientFreezes: (victims) => {
    const client = victims.chance.pick(victims.clients)
    if (client) freeze(client.plan.name, client.life, 100_000, victims)
  },
  weatherIsBad: ({network, chance, later}) => {
    network.weather = {
      lost: chance.number() * 0.2,
      repeated: chance.number() * 0.3,
      slow: chance.number() * 0.6,
      slowMs: chance.between(10, 10_000),
    }
    later(chance.skewed(1_000, 90_000), () => {
      network.weather = calm
    })
  },
  daemonCrashes: onDaemon((daemon, _victims, {builder}) => {
    const panics = daemon.state === 'serving' && builder < 'n-m' // half of them; while it starts, its cache would be to blame
    daemon.crash(panics ? 2 : 137)
  }),
  daemonIsKilled: onDaemon((daemon) => daemon.kill()),
  daemonFreezes: onDaemon((daemon, {chance, later, note}, {place, builder}) => {
    note(place, {type: 'daemonFroze', builder})
    daemon.freeze()
    later(chance.skewed(100, 120_000), () => daemon.thaw())
  }),
  daemonCantLeave: onDaemon((daemon, {chance}) => {
    daemon.trouble = {...noTrouble, [chance.pick(['synced', 'unmounted']) as string]: false}
  }),
  buildersDontStart: onHost(({builders}, {chance, later}) => {
    builders.trouble = {...noTrouble, startFault: 'invalid database'}
    later(chance.skewed(1_000, 40_000), () => {
      builders.trouble = noTrouble
    })
  }),
  checkpointsAreTorn: onHost(({disk}, {chance, later}) => {
    disk.tearsCheckpoints = true
    later(chance.skewed(1_000, 60_000), () => {
      disk.tearsCheckpoints = false
    })
  }),
  /** An operator is busy for a while. */
  operatorActs: (victims) => {
    for (let count = victims.chance.between(1, 6); count > 0; count--) {
      victims.later(victims.chance.between(0, 30_000), () =>
        operate(victims.chance.pick(operations) ?? 'cordon', victims),
      )
    }
  },
} satisfies Record<string, Strike>

/** Only where there is one. */
const storageStrikes = {
  storageIsDown: ({fleet: {pool}, chance, later}) => {
    pool.isDown = true
    later(chance.skewed(1_000, 90_000), () => {
      pool.isDown = false
    })
  },
  fencesFail: ({fleet: {pool}, chance, later}) => {
    pool.fenceFails = true
    later(chance.skewed(10_000, 120_000), () => {
      pool.fenceFails = false
    })
  },
} satisfies Record<string, Strike>

const volumeStrikes = {
  /** What lies on a disk is damaged: no daemon starts on it. */
  volumeTears: onHost(({disk}, {chance}) => {
    const id = chance.pick<CopyId | GenerationId>([...disk.generations.keys(), ...disk.copies.keys()])
    if (id) disk.tear(id)
  }),
} satisfies Record<string, Strike>
const allStrikes = {...strikes, ...storageStrikes, ...volumeStrikes}

export type FaultName = keyof typeof allStrikes
export const faultNames = Object.keys(strikes) as readonly FaultName[]
export const storageFaultNames = Object.keys(storageStrikes) as readonly FaultName[]

export const strike = (name: FaultName, victims: Victims): void => {
  victims.note('world', {type: 'fault', name})
  allStrikes[name](victims)
}
