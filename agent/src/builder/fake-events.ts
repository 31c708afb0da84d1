import type {FinalState} from '@hearth/proto/common'
import type {BuilderId} from '@hearth/proto/ids'
import type {BuilderExit} from './runtime.ts'

/** Who ended something: the build or the client itself, the agent, or the daemon by its death. */
export type FakeEnder = 'build' | 'client' | 'agent' | 'daemon'

/** What happened to the builders of one imagined host, in order, for whoever audits. `state` null: it left no record. */
export type FakeRuntimeEvent = {readonly builder: BuilderId} & (
  | {readonly type: 'launched' | 'ready' | 'stopping' | 'removed'}
  | {readonly type: 'certified' | 'connected' | 'refused'; readonly publicKey: string}
  | {readonly type: 'disconnected'; readonly publicKey: string; readonly by: FakeEnder}
  | {readonly type: 'solveBegan'; readonly publicKey: string; readonly ref: string}
  | {
      readonly type: 'solveEnded'
      readonly publicKey: string
      readonly ref: string
      readonly state: FinalState | null
      readonly by: FakeEnder
    }
  | {readonly type: 'cacheBroken'; readonly name: string}
  | {readonly type: 'ended'; readonly exit: BuilderExit | null}
)
