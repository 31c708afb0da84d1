import type {BuildId} from '@hearth/proto/ids'

type Watch = {changed: boolean; wake: (() => void) | null}

/** Who watches which build. Changes that come while a watcher is busy are one. */
export class Watchers {
  readonly #watches = new Map<BuildId, Set<Watch>>()

  isWatched(build: BuildId): boolean {
    return this.#watches.has(build)
  }

  tell(build: BuildId) {
    for (const watch of this.#watches.get(build) ?? []) {
      watch.changed = true
      watch.wake?.()
    }
  }

  /** `next` resolves at the first change since its last call, or when the signal aborts. `close` must be called at the end. */
  open(build: BuildId, signal: AbortSignal): {next(): Promise<void>; close(): void} {
    const watch: Watch = {changed: false, wake: null}
    const all = this.#watches.get(build) ?? new Set()
    this.#watches.set(build, all.add(watch))
    const onAbort = () => watch.wake?.()
    signal.addEventListener('abort', onAbort)
    return {
      next: async () => {
        if (!watch.changed && !signal.aborted) await new Promise<void>((resolve) => (watch.wake = resolve))
        watch.changed = false
        watch.wake = null
      },
      close: () => {
        signal.removeEventListener('abort', onAbort)
        all.delete(watch)
        if (all.size === 0) this.#watches.delete(build)
      },
    }
  }
}
