import {FakeRandom} from '@hearth/proto/fake-clock'

/** Chance with the shapes that a world needs. */
export class Chance extends FakeRandom {
  /** From `least` up to, but without, `most`. */
  between(least: number, most: number): number {
    return Math.floor(least + this.number() * (most - least))
  }

  /** Rather small, now and then large. */
  skewed(least: number, most: number): number {
    return Math.floor(least + this.number() ** 3 * (most - least))
  }

  happens(chance: number): boolean {
    return this.number() < chance
  }

  pick<Thing>(things: readonly Thing[]): Thing | undefined {
    return things[Math.floor(this.number() * things.length)]
  }
}
