const secondMs = 1000
const dayMs = 86_400 * secondMs

/** `14:03:09 UTC`. A fixed zone, so that a record reads the same wherever it is read. */
export const timeOfDay = (at: number): string => {
  const seconds = Math.floor((at % dayMs) / secondMs)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${parts.map((part) => String(part).padStart(2, '0')).join(':')} UTC`
}
