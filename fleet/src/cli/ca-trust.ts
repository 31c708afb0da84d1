import {createHash} from 'node:crypto'
import {mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {request} from 'node:https'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {caPin, parseToken} from '@hearth/proto/ca-pin'
import {FleetUnreachableError, InfrastructureError, UsageError} from './failures.ts'
import type {Connection} from './profile.ts'

/**
 * The CA of an https fleet: the profile's, else a cached one, else fetched unverified; believed only if it has the pin that the
 * token carries. Throws `UsageError` without a pin and `InfrastructureError` for another CA than the pinned one.
 */
export const pinnedCa = async (connection: Connection, environment: NodeJS.ProcessEnv): Promise<string> => {
  const pin = connection.token === null ? undefined : parseToken(connection.token)?.pin
  if (connection.caPem && (!pin || caPin(connection.caPem) === pin)) return connection.caPem
  if (!pin) throw new UsageError('HEARTH_TOKEN is not a Hearth token (ht_…): copy it whole, with both dots')
  const cached = cachePath(connection.url, pin, environment)
  const known = readCached(cached)
  if (known && caPin(known) === pin) return known
  const fetched = await fetchCa(connection.url)
  if (safePin(fetched) !== pin) {
    throw new InfrastructureError(
      `${connection.url} shows another CA than the token was made for: either the token is of another Hearth, or someone ` +
        `stands between (nothing was sent)`,
    )
  }
  keep(cached, fetched)
  return fetched
}

const safePin = (pem: string): string | null => {
  try {
    return caPin(pem)
  } catch {
    return null // not a certificate at all: it has no pin, and so not the right one
  }
}

const cachePath = (url: string, pin: string, environment: NodeJS.ProcessEnv): string => {
  const cache = environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache')
  return join(cache, 'hearth', `${createHash('sha256').update(`${url} ${pin}`).digest('hex').slice(0, 24)}.pem`)
}

const readCached = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // no cache is not an error: the CA is fetched again
  }
}

const keep = (path: string, pem: string): void => {
  try {
    mkdirSync(join(path, '..'), {recursive: true, mode: 0o700})
    writeFileSync(`${path}.${process.pid}`, pem, {mode: 0o600})
    renameSync(`${path}.${process.pid}`, path)
  } catch {
    // a read-only home costs one more round trip next time
  }
}

/** Nothing secret is sent: the connection is not trusted yet. */
const fetchCa = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(new FleetUnreachableError(`no Hearth at ${url} (${cause.message})`, {refused: true, cause}))
    const ask = request(new URL('/v1/ca', url), {rejectUnauthorized: false}, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', fail)
      response.on('end', () => resolve(pemOf(text)))
    })
    ask.on('error', fail)
    ask.setTimeout(10_000, () => ask.destroy(new Error('no answer in 10 s')))
    ask.end()
  })

const pemOf = (text: string): string => {
  if (text.startsWith('-----BEGIN')) return text
  try {
    return (JSON.parse(text) as {caPem: string}).caPem
  } catch {
    return text
  }
}
