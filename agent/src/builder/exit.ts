import type {BuilderExit} from './runtime.ts'

/** The last words of enter.sh, one line of JSON. Null for anything else: what proves nothing is not clean. */
export const parseExit = (text: string): BuilderExit | null => {
  let words: unknown
  try {
    words = JSON.parse(text)
  } catch {
    return null // cut off, or not ours
  }
  if (typeof words !== 'object' || words === null) return null
  const {lockGone, synced, unmounted, said} = words as Record<string, unknown>
  if (typeof lockGone !== 'boolean' || typeof synced !== 'boolean' || typeof unmounted !== 'boolean') return null
  return {lockGone, synced, unmounted, said: typeof said === 'string' ? said : ''}
}
