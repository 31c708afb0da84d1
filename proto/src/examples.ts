// For tests: one whole example of everything that crosses a border, no field left out, nothing null that need not be.

const uuid = '0b1c2d3e-4f50-4172-8394-a5b6c7d8e9f0'
const space = {usedBytes: 4096, ownBytes: 1, shareBytes: 2}
const slots = {total: 4, busy: 1, warm: 1, terminating: 1, free: 1}
const timingsMs = {queue: 1, place: 2, attach: 3, mount: 4, start: 5, build: 6, stop: 7, detach: 8, seal: 9}
const endpoint = {kind: 'tcp', address: '10.0.0.5', port: 41000, serverName: 'b-1.hearth'}
const failedStep = {name: '[4/9] RUN make', number: 4, of: 9, exitCode: 7}

const builder = {
  builder: 'bd-1',
  project: 'p-1',
  architecture: 'amd64',
  trust: 'trusted',
  copy: uuid,
  epoch: 3,
}

const observedBuilder = {
  ...builder,
  phase: 'building',
  endpoints: [endpoint],
  caPem: '-----BEGIN CERTIFICATE-----',
  lease: {
    build: 'b-7f3',
    lease: 'l-1',
    certificates: [{publicKey: 'AAAA', certificatePem: '-----BEGIN CERTIFICATE-----'}],
    connections: 2,
    everConnected: true,
  },
  outcomes: [
    {
      build: 'b-7f2',
      lease: 'l-0',
      state: 'failed',
      reason: 'exit code: 7',
      steps: {total: 9, cached: 3},
      failedStep,
      buildMs: 1600.5,
      exportMs: 200,
      ran: [{step: '5e884898da280471', ms: 410.2}],
    },
  ],
  fault: {code: 'volume-busy', message: 'the copy is held by pid 7'},
  timingsMs,
  usedBytes: 4096,
  checkpoint: {generation: 'g-43', state: 'failed', reason: 'no daemon opened it'},
  released: {clean: true, reason: 'idle', generation: 'g-41'},
}

const desiredBuilder = {
  ...builder,
  driver: 'ceph-rbd',
  limits: {cpuWeight: 100, memoryBytes: 2 ** 30},
  maxUsedSpaceBytes: 40_000_000_000,
  lease: {build: 'b-7f3', lease: 'l-1', clients: ['AAAA'], finishing: false, cancel: 'drained'},
  want: 'ready',
  reason: 'a build waits',
  seal: 'g-42',
  checkpoint: 'g-43',
}

/** By type, then by the part of the union. */
export const messageExamples = {
  AgentMessage: {
    hello: {
      type: 'hello',
      protocol: 1,
      version: '0.1.0',
      host: 'h-1',
      name: 'one',
      bootId: uuid,
      agentInstance: uuid,
      architecture: 'arm64',
      slots: 2,
      cpus: 8,
      memoryBytes: 2 ** 34,
      operatingSystem: 'Debian 12',
      volumeDrivers: ['local'],
      builders: [observedBuilder],
    },
    observed: {
      type: 'observed',
      term: 1,
      revision: 7,
      builders: [observedBuilder],
      copies: [{copy: uuid, ...space, fault: {code: 'no-space', message: 'the pool is full'}}],
      generations: [{generation: 'g-41', ...space}],
      usage: {
        ...{diskTotalBytes: 10, diskFreeBytes: 5, memoryAvailableBytes: 7, load: 0.5},
        pressure: {message: 'the disk is nearly full', missingBytes: 4, evict: true, closed: false},
      },
    },
    drain: {type: 'drain', reason: 'spot notice', deadlineMs: 120_000},
    unsupported: {type: 'unsupported', of: 'teleport'},
  },
  FleetMessage: {
    welcome: {type: 'welcome', connection: 'c-1', term: 1, heartbeatMs: 5000, nextSyncInMs: 0},
    desired: {
      type: 'desired',
      term: 1,
      revision: 7,
      builders: [desiredBuilder],
      copies: [
        {
          copy: uuid,
          project: 'p-1',
          architecture: 'amd64',
          from: 'g-41',
          filesystem: uuid,
          sizeBytes: 50_000_000_000,
          want: 'present',
        },
      ],
      generations: [{generation: 'g-40', want: 'absent'}],
      drain: {reason: 'kernel', remainingMs: 3_600_000},
    },
    refused: {type: 'refused', code: 'removed', reason: 'the host h-1 was removed'},
    unsupported: {type: 'unsupported', of: 'teleport'},
  },
}

const cachePolicy = {cacheSizeBytes: 20e9, cacheAgeMs: 0, generations: 3, promote: 'never'}
const lease = {
  architecture: 'amd64',
  state: 'ready',
  host: 'one',
  local: true,
  waiting: {why: 'no free slot', since: 5},
  warm: false,
  cache: {
    from: 41,
    fromSealedAt: 4,
    fromCheckpoint: true,
    rolledBack: true,
    sealed: 42,
    settled: true,
    why: 'the host was lost',
    usedBytes: 4096,
  },
  outcome: 'failed',
  reason: 'exit code: 7',
  steps: {total: 9, cached: 3},
  failedStep,
  exportMs: 200,
  timingsMs,
  connection: {endpoints: [endpoint], caPem: '-----BEGIN', certificatePem: '-----BEGIN'},
}

const token = {
  id: 'abcdefgh',
  kind: 'project',
  name: 'ci',
  projects: ['acme/web'],
  trust: 'untrusted',
  createdAt: 1,
  expiresAt: 9,
  usedAt: 5,
  revoked: false,
}

/** What the API answers. */
export const answerExamples = {
  ApiError: {code: 'not-found', message: 'there is no build b-9'},
  Build: {
    id: 'b-7f3',
    project: 'acme/web',
    trust: 'trusted',
    state: 'running',
    reason: 'cancelled by root',
    summary: '-t app .',
    createdBy: 'root',
    createdAt: 1,
    endedAt: 9,
    leases: [lease],
  },
  Host: {
    id: 'h-1',
    name: 'one',
    architecture: 'amd64',
    connection: 'online',
    lastSeenAt: 5,
    schedulable: false,
    drain: {reason: 'kernel', deadlineAt: 9, buildsLeft: 1},
    slots,
    cpus: 8,
    memoryBytes: 2 ** 34,
    operatingSystem: 'Debian 12',
    version: '0.1.0',
    diskTotalBytes: 10,
    diskFreeBytes: 5,
    load: 0.5,
    pressure: {closed: true, message: 'its disk is too full'},
    builders: [
      {
        id: 'bd-1',
        project: 'acme/web',
        phase: 'building',
        since: 5,
        build: 'b-7f3',
        fault: 'the copy is held by pid 7',
        usedBytes: 4096,
      },
    ],
  },
  Project: {
    id: 'p-1',
    name: 'acme/web',
    createdAt: 1,
    builds: 3,
    lastBuildAt: 5,
    cacheBytes: 4096,
    policy: cachePolicy,
    ownPolicy: ['promote'],
  },
  Cache: {
    project: 'acme/web',
    architecture: 'amd64',
    head: {generation: 'g-41', number: 41, sealedAt: 4, host: 'one'},
    pinned: true,
    generations: 2,
    copies: 1,
    usedBytes: 4096,
    state: 'attached',
  },
  CacheDetail: {
    project: 'acme/web',
    architecture: 'amd64',
    state: 'attached',
    pinned: false,
    policy: cachePolicy,
    usedAt: 5,
    usedBytes: 4096,
    emptyWhy: 'it was reset',
    lastRollback: {at: 5, from: 42, to: 41, why: 'root rolled it back'},
    generations: [
      {
        generation: 'g-41',
        number: 41,
        sealedAt: 4,
        build: 'b-7f3',
        head: true,
        knownGood: true,
        setAside: false,
        hosts: ['one'],
        space,
      },
    ],
    copies: [{copy: uuid, state: 'abandoned', why: 'x', host: 'one', from: 41, build: 'b-7f3', space}],
  },
  Token: token,
  CreatedToken: {token: 'ht_abcdefgh.secret.pin', record: token},
  AuditEntry: {at: 1, actor: 'root', act: 'cordon', object: 'h-1', detail: 'kernel'},
  Status: {
    version: '0.1.0',
    startedAt: 1,
    url: 'http://127.0.0.1:7433',
    embedded: true,
    hosts: {online: 1, offline: 0, draining: 0},
    capacity: [{architecture: 'amd64', queued: 3, ...slots}],
    builds: {queued: 3, running: 1},
    caches: {volumes: 1, usedBytes: 4096},
    problems: ['host one is offline'],
  },
  WhoAmI: {kind: 'project', name: 'ci', projects: ['acme/web'], trust: 'untrusted', createsProjects: false},
  JoinedHost: {host: 'h-1', certificatePem: '-----BEGIN', caPem: '-----BEGIN'},
}

/** What the API is asked. */
export const requestExamples = {
  CreateBuild: {
    key: 'k-12345678',
    project: 'acme/web',
    createProject: true,
    architectures: ['amd64'],
    publicKey: 'AAAA',
    trust: 'trusted',
    summary: '-t app .',
  },
  FinishBuild: {interrupted: true},
  CancelBuild: {reason: 'typo', by: 'anna'},
  DrainHost: {reason: 'kernel', deadlineMs: 0},
  CreateProject: {name: 'acme/web', ...cachePolicy},
  MoveHead: {architecture: 'arm64', to: 3},
  SetProject: cachePolicy,
  ResetCache: {architecture: 'arm64'},
  CreateToken: {kind: 'project', name: 'ci', projects: ['acme/web'], trust: 'untrusted', expiresInMs: 1},
  AttachCopy: {builder: 'bd-1', epoch: 3},
  JoinHost: {token: 'hj_x', certificateRequestPem: '-----BEGIN', name: 'one', architecture: 'amd64'},
  RenewHost: {certificateRequestPem: '-----BEGIN'},
  ShutDown: {deadlineMs: 0},
}
