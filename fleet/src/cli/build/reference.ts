import {UsageError} from '../failures.ts'

/** An image's name, as docker reads it: `web:1`, `ghcr.io/acme/web`, `localhost:5000/web@sha256:…`. */
export type Reference = {readonly registry: string; readonly repository: string; readonly tag: string | null}

const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const pattern = new RegExp(`^(${part}(?:/${part})*)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@sha256:[0-9a-f]{64})?$`)

/** Throws `UsageError`, naming the flag, for what docker would not take as a name. */
export const parseReference = (text: string, flag: string): Reference => {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const hasRegistry = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const match = pattern.exec(hasRegistry ? text.slice(slash + 1) : text)
  if (!match) {
    const lower = text.toLowerCase()
    const hint = lower !== text && pattern.test(lower) ? `: names are in lower case: ${lower}` : ''
    throw new UsageError(`${flag} ${text} is not the name of an image${hint}`)
  }
  const repository = match[1] as string
  if (hasRegistry) return {registry: first, repository, tag: match[2] ?? null}
  return {registry: 'docker.io', repository: slash < 0 ? `library/${repository}` : repository, tag: match[2] ?? null}
}
