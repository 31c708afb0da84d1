import {request} from 'node:https'

/** The fleet could not be asked, or said no; the message has its own words where it said any. */
export class FleetCallError extends Error {
  override readonly name: string = 'FleetCallError'
}

export type FleetCall = {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: object | string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly insecure?: boolean
  readonly signal?: AbortSignal
}

/** One HTTPS request. Returns the body, parsed if it is JSON; throws `FleetCallError` with the fleet's own words on a refusal. */
export const callFleet = async (fleetUrl: string, call: FleetCall): Promise<unknown> => {
  const {method, path, body, insecure, ca, cert, key, signal} = call
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
  const headers =
    text === null
      ? {}
      : {
          'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
          'content-length': Buffer.byteLength(text),
        }
  const {status, answer} = await new Promise<{status: number; answer: string}>((resolve, reject) => {
    const tls = {rejectUnauthorized: !insecure, ...(ca && {ca}), ...(cert && {cert}), ...(key && {key})}
    const outgoing = request(
      new URL(path, httpsUrl(fleetUrl)),
      {method, headers, timeout: 30_000, ...tls, ...(signal && {signal})},
      (response) => {
        let answer = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
        response.on('end', () => resolve({status: response.statusCode ?? 0, answer})).on('error', reject)
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
    outgoing.on('error', (cause) =>
      reject(new FleetCallError(`the fleet at ${fleetUrl} can't be reached: ${cause.message}`, {cause})),
    )
    outgoing.end(text)
  })
  const parsed: unknown = answer.startsWith('{') ? JSON.parse(answer) : answer
  if (status < 300) return parsed
  const {message, code} = parsed as {message?: string; code?: string}
  throw new FleetRefusal(status, message ?? `the fleet answered ${status}`, code ?? null)
}

/** The fleet's answer was no. */
export class FleetRefusal extends FleetCallError {
  readonly status: number
  /** What programs may go by. */
  readonly code: string | null
  constructor(status: number, message: string, code: string | null = null) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Agents speak TLS always; a fleet on loopback takes both on one port. */
const httpsUrl = (url: string): URL => {
  const parsed = new URL(url)
  parsed.protocol = 'https:'
  return parsed
}
