/** What a size looks like in a configuration file; counted in thousands. */
export const sizePattern = '^\\d+(\\.\\d+)?(MB|GB|TB)$'

const units = {MB: 1e6, GB: 1e9, TB: 1e12} as const

/** Bytes of `500MB`, `50GB`, `1.5TB`. Null for anything else. */
export const parseSize = (text: string): number | null =>
  new RegExp(sizePattern).test(text)
    ? Math.round(Number(text.slice(0, -2)) * units[text.slice(-2) as keyof typeof units])
    : null
