import type {JournalBuilder} from '../store/journal.ts'
import type {BuilderExit, SeenBuilder} from './runtime.ts'

// How a builder left its volume. Pure.

/** Code of the fault of a builder whose device lost what is behind it: what it wrote last is nowhere, however it ended. */
export const volumeFailed = 'volume-failed'

/** The last words of enter.sh, one line of JSON. Null for anything else: what proves nothing is not clean. */
export const parseExit = (text: string): BuilderExit | null => {
  let words: unknown
  try {
    words = JSON.parse(text)
  } catch {
    return null // cut off, or not ours
  }
  if (typeof words !== 'object' || words === null) return null
  const {lockGone, synced, unmounted, said, refused, status} = words as Record<string, unknown>
  if (typeof lockGone !== 'boolean' || typeof synced !== 'boolean' || typeof unmounted !== 'boolean') return null
  return {
    ...{lockGone, synced, unmounted},
    said: typeof said === 'string' ? said : '',
    refused: refused === true,
    status: typeof status === 'number' ? status : null,
  }
}

/**
 * Clean only by proof: nothing was ever mounted, or the builder's last words show lock gone, synced and unmounted. A copy on
 * which a builder did not start is not clean: trying it again would fail again.
 */
export const leftClean = (
  row: Pick<JournalBuilder, 'startIntended' | 'startDone' | 'fault' | 'desired'>,
  seen: Pick<SeenBuilder, 'exit'> | undefined,
): {readonly clean: boolean; readonly reason: string} => {
  if (!row.startIntended && row.fault === null) return {clean: true, reason: 'it was never started'}
  if (!row.startDone && row.fault) return {clean: false, reason: row.fault.message}
  if (row.fault?.code === volumeFailed) return {clean: false, reason: row.fault.message}
  const exit = seen?.exit
  if (!exit) return {clean: false, reason: row.fault?.message ?? 'its builder ended without a last word'}
  const missing = [
    exit.lockGone ? [] : ['buildkitd did not end in order'],
    exit.synced ? [] : ['its volume was not synced'],
    exit.unmounted ? [] : ['its volume was not unmounted'],
  ].flat()
  if (missing.length === 0) return {clean: true, reason: row.desired.reason}
  return {clean: false, reason: [...missing, ...(row.fault ? [row.fault.message] : [])].join(', ')}
}
