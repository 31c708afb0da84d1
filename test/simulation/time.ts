import {setImmediate} from 'node:timers/promises'

type Due = {readonly at: number; readonly order: number; readonly run: () => void; isOff: boolean}

/**
 * The only time there is. It stands still while anything can still be computed, then jumps to the next moment at which something was
 * to happen. What is due at the same moment happens in the order in which it was asked for.
 */
export class VirtualTime {
  now = 0
  #asked = 0
  readonly #heap: Due[] = []

  /** Returns what takes it back. */
  after(ms: number, run: () => void): () => void {
    const due = {at: this.now + Math.max(0, ms), order: this.#asked++, run, isOff: false}
    this.#push(due)
    return () => {
      due.isOff = true
    }
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Runs until something is done, or until `ms` have passed; says which. */
  async runUntil(isDone: () => boolean, ms: number): Promise<boolean> {
    const end = this.now + ms
    await setImmediate()
    while (!isDone()) {
      const due = this.#heap[0]
      if (!due || due.at > end) {
        this.now = end
        return isDone()
      }
      this.#pop()
      if (due.isOff) continue
      this.now = due.at
      due.run()
      await setImmediate() // after this no promise has anything left to do
    }
    return true
  }

  #push(due: Due): void {
    const heap = this.#heap
    let place = heap.push(due) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(due, heap[parent] as Due)) break
      heap[place] = heap[parent] as Due
      place = parent
    }
    heap[place] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Due
    if (heap.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1
      if (!isBefore(heap[child] as Due, last)) break
      heap[place] = heap[child] as Due
      place = child
    }
    heap[place] = last
  }
}

const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
