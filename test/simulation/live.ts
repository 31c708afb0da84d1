import {kindsIn} from './kinds.ts'
import {lineOf} from './log.ts'
import {World} from './world.ts'

/** `kinds`: of what happened in it. */
export type Life = {
  readonly seed: number
  readonly lines: readonly string[]
  readonly kinds: readonly string[]
  readonly broken: readonly string[]
}

/** Lives one seed's whole life; whatever ends it before its time is broken too. */
export const live = async (seed: number): Promise<Life> => {
  const world = new World(seed)
  const failure = await world.run().then(
    () => [],
    (error: unknown) => [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  )
  return {seed, lines: world.log.map(lineOf), kinds: kindsIn(world.log), broken: [...failure, ...world.broken]}
}
