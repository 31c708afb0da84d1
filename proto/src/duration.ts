const unitsMs = {ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000} as const

/** Milliseconds of `10m`, `1h30m`, `0s`, `250ms`, `7d`. Null for anything else, also for a bare number: its unit is unknown. */
export const parseDuration = (text: string): number | null => {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * unitsMs[unit as keyof typeof unitsMs]
  }
  return Number.isSafeInteger(Math.round(totalMs)) ? Math.round(totalMs) : null
}
