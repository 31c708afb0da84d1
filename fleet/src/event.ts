import type {Architecture, FinalState} from '@hearth/proto/common'
import type {
  BuilderId,
  BuildId,
  CopyId,
  Epoch,
  GenerationId,
  HostId,
  LeaseId,
  ProjectId,
  Revision,
  Term,
} from '@hearth/proto/ids'
import type {BuildState} from './builds/state.ts'

/**
 * All that the fleet decides, as values, each recorded once and only after it was committed. The log shows them; the
 * auditor of the simulation checks the promises from them alone.
 */
export type FleetEvent =
  | {readonly type: 'fleetStarted'; readonly term: Term}
  | {readonly type: 'hostRegistered'; readonly host: HostId; readonly architecture: Architecture}
  | {readonly type: 'hostConnected'; readonly host: HostId; readonly connection: string; readonly bootId: string}
  | {readonly type: 'hostLost'; readonly host: HostId}
  | {
      readonly type: 'hostScheduling'
      readonly host: HostId
      readonly schedulable: boolean
      readonly drain: {readonly deadlineMs: number | null} | null
    }
  | {readonly type: 'hostRemoved'; readonly host: HostId}
  | {
      readonly type: 'buildCreated'
      readonly build: BuildId
      /** The client's; the same key is the same build. */
      readonly key: string
      readonly project: ProjectId
      readonly architectures: readonly Architecture[]
    }
  | {
      readonly type: 'leasePlaced'
      readonly build: BuildId
      readonly lease: LeaseId
      readonly builder: BuilderId
      readonly host: HostId
      readonly copy: CopyId
      readonly epoch: Epoch
      readonly warm: boolean
    }
  | {readonly type: 'leaseReady'; readonly build: BuildId; readonly lease: LeaseId; readonly builder: BuilderId}
  | {readonly type: 'leaseCancelling'; readonly build: BuildId; readonly lease: LeaseId; readonly reason: string}
  /** `unusable`: the generation on which its builder did not start, and that is to blame. */
  | {
      readonly type: 'leaseRequeued'
      readonly build: BuildId
      readonly lease: LeaseId
      readonly why: string
      readonly unusable: GenerationId | null
    }
  | {
      readonly type: 'leaseEnded'
      readonly build: BuildId
      readonly lease: LeaseId
      /** Null: it waited for one. */
      readonly builder: BuilderId | null
      readonly host: HostId | null
      readonly outcome: FinalState
      readonly reason: string | null
    }
  | {readonly type: 'buildEnded'; readonly build: BuildId; readonly state: BuildState; readonly reason: string | null}
  | {
      readonly type: 'copyGranted'
      readonly copy: CopyId
      readonly host: HostId
      readonly epoch: Epoch
      readonly builder: BuilderId
      readonly from: GenerationId | null
    }
  | {readonly type: 'copyCreated'; readonly copy: CopyId; readonly host: HostId; readonly from: GenerationId | null}
  | {readonly type: 'copyFreed'; readonly copy: CopyId; readonly generation: GenerationId}
  | {readonly type: 'copyAbandoned'; readonly copy: CopyId; readonly epoch: Epoch; readonly why: string}
  | {readonly type: 'copyCondemned'; readonly copy: CopyId}
  /** Whoever had it open can't write to it any more. */
  | {readonly type: 'copyFenced'; readonly copy: CopyId; readonly addresses: readonly string[]}
  | {readonly type: 'copyDeleted'; readonly copy: CopyId}
  | {readonly type: 'checkpointWanted'; readonly builder: BuilderId; readonly generation: GenerationId}
  | {readonly type: 'builderTerminated'; readonly builder: BuilderId; readonly host: HostId; readonly reason: string}
  | {
      readonly type: 'builderReleased'
      readonly builder: BuilderId
      readonly host: HostId
      readonly copy: CopyId
      readonly epoch: Epoch
      readonly clean: boolean
      readonly reason: string
    }
  | {
      readonly type: 'generationSealed'
      readonly volume: string
      readonly generation: GenerationId
      readonly number: number
      readonly copy: CopyId
      readonly epoch: Epoch
    }
  | {readonly type: 'generationDropped'; readonly generation: GenerationId}
  | {
      readonly type: 'headChanged'
      readonly volume: string
      readonly generation: GenerationId | null
      readonly copy: CopyId | null
      readonly epoch: Epoch | null
    }
  /** Someone made an older, or a newer, generation the head: builds that run leave nothing that becomes it. */
  | {readonly type: 'cacheRolledBack'; readonly volume: string; readonly generation: GenerationId}
  /** A build has started after builders of it did not on those that are `bad`: none of these is or becomes the head any more. */
  | {
      readonly type: 'cacheHealed'
      readonly volume: string
      readonly generation: GenerationId | null
      readonly bad: readonly GenerationId[]
    }
  /** No build changes the head, until it is unpinned: null. */
  | {readonly type: 'cachePinned'; readonly volume: string; readonly generation: GenerationId | null}
  | {readonly type: 'desiredSent'; readonly host: HostId; readonly term: Term; readonly revision: Revision}
