import type {Random} from '@hearth/proto/clock'
import type {Hearth} from '../support/hearth.ts'
import type {TestDirectory} from '../support/test-directory.ts'

/** What is killed in a round. `kill` resolves with when the killed program was started again; undefined: it is not, by us. */
export type Victim = {readonly name: string; kill(): Promise<number | undefined>}

/** A Hearth that runs, and what of it may be killed. */
export type Ground = {
  readonly hearth: Hearth
  readonly victims: readonly Victim[]
  /** `left`: all that this machine goes on to show of it. */
  stop(): Promise<{readonly code: number | null; readonly left: readonly string[]}>
}

export type MakeGround = (directory: TestDirectory, random: Random) => Promise<Ground>

export const pick = <Thing>(things: readonly Thing[], random: Random): Thing =>
  things[Math.floor(random.number() * things.length)] as Thing
