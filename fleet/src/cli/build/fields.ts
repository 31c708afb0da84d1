import {UsageError} from '../failures.ts'

/** Splits docker's `a=1,"b=2,3"`: commas between fields, double quotes around a field that holds one. */
export const splitFields = (text: string, flag: string): readonly string[] => {
  const fields: string[] = []
  const pattern = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  while (pattern.lastIndex <= text.length) {
    const match = pattern.exec(text)
    if (!match) throw new UsageError(`${flag} ${text}: the quotes are not right`)
    fields.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll('""', '"'))
    if (match[3] === '') break
  }
  return fields
}

/** `type=local,dest=x` as pairs, keys in lower case. A field without `=` is a usage error that names it. */
export const parseFields = (text: string, flag: string): ReadonlyMap<string, string> =>
  new Map(
    splitFields(text, flag).map((field) => {
      const at = field.indexOf('=')
      if (at < 1) throw new UsageError(`${flag} ${text}: '${field}' is not key=value`)
      return [field.slice(0, at).toLowerCase(), field.slice(at + 1)] as const
    }),
  )

/** The opposite of `parseFields`. */
export const joinFields = (fields: Iterable<readonly [string, string]>): string =>
  [...fields]
    .map(([key, value]) => `${key}=${value}`)
    .map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',')
