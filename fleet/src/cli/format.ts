/** `64 ms`, `1.9 s`, `3 min`, `2 h 5 min`, `4 d`. */
export const formatDuration = (ms: number): string => {
  if (ms < 99.5) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.round(hours / 24)} d`
}

/** Always in seconds, as a build's times are compared with each other: `0.1 s`. */
export const formatSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** How long ago, in one unit: `just now`, `40 s`, `3 min`, `5 h`, `4 d`. */
export const formatAge = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 5) return 'just now'
  if (seconds < 90) return `${seconds} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** `1 build`, `2 builds`. */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

/** `just now`, `3 min ago`. */
export const formatAgo = (ms: number): string => {
  const age = formatAge(ms)
  return age === 'just now' ? age : `${age} ago`
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
/** Powers of 1000, as disks and docker count: `2.1 GB`. */
export const formatBytes = (bytes: number): string => {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return unit === 0 || value >= 99.5 ? `${Math.round(value)} ${units[unit]}` : `${value.toFixed(1)} ${units[unit]}`
}

/** The clock time of a moment, in this machine's zone: `14:03:22`. */
export const formatClock = (at: number): string => {
  const time = new Date(at)
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}
