import {type ClientRequest, type IncomingMessage, request as plainRequest, type RequestOptions} from 'node:http'
import type {ApiError} from '@hearth/proto/api'
import {FleetUnreachableError, RefusedError, UsageError} from './failures.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** The fleet's HTTP API as this command line needs it. Refusals are `RefusedError`, silence is `FleetUnreachableError`. */
export type FleetHttp = {
  readonly url: string
  json<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T>
  text(path: string, signal?: AbortSignal): Promise<string>
  /** One JSON value for each line, as they come. Ends when the fleet ends it; throws `FleetUnreachableError` when it breaks off. */
  lines<T>(method: Method, path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T>
}

const answerWithinMs = 60_000

/** Gives the only CA that is believed. */
export type Trust = () => Promise<{readonly ca: string}>

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host)

/**
 * Plain HTTP goes to loopback only: a token must not cross a network unencrypted. For https, `trust` gives the only CA that is
 * believed; it is asked once, at the first request.
 */
export const fleetHttp = ({url, token, trust}: {url: string; token: string | null; trust: Trust}): FleetHttp => {
  const base = parseUrl(url)
  let trusted: ReturnType<Trust> | undefined
  const send = async (method: Method, path: string, body: unknown, accept: string, signal?: AbortSignal) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions = {
      method,
      headers: {
        accept,
        ...(token === null ? {} : {authorization: `Bearer ${token}`}),
        ...(payload === undefined
          ? {}
          : {'content-type': 'application/json', 'content-length': Buffer.byteLength(payload)}),
      },
      signal: signal ?? AbortSignal.timeout(answerWithinMs),
    }
    if (base.protocol === 'http:') return answer(plainRequest(new URL(path, base), options), payload, url)
    trusted ??= trust()
    const [{request}, {ca}] = await Promise.all([import('node:https'), trusted])
    return answer(request(new URL(path, base), {...options, ca}), payload, url)
  }
  const read = async (...args: Parameters<typeof send>): Promise<string> => {
    const response = await send(...args)
    let text = ''
    response.setEncoding('utf8')
    try {
      for await (const chunk of response) text += chunk as string
    } catch (cause) {
      throw unreachable(url, cause)
    }
    if ((response.statusCode ?? 0) >= 400) throw refusal(response, text)
    return text
  }
  return {
    url,
    text: (path, signal) => read('GET', path, undefined, 'text/plain, application/json', signal),
    async json<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal) {
      const text = await read(method, path, body, 'application/json', signal)
      return (text === '' ? null : parseJson(text, url)) as T
    },
    async *lines<T>(method: Method, path: string, body: unknown, signal: AbortSignal) {
      const response = await send(method, path, body, 'application/x-ndjson', signal)
      response.setEncoding('utf8')
      let rest = ''
      try {
        for await (const chunk of response) {
          const parts = `${rest}${chunk as string}`.split('\n')
          rest = parts.pop() as string
          if ((response.statusCode ?? 0) >= 400) rest = [...parts, rest].join('\n')
          else for (const part of parts) if (part.trim() !== '') yield parseJson(part, url) as T
        }
      } catch (cause) {
        signal.throwIfAborted()
        throw cause instanceof SyntaxError ? cause : unreachable(url, cause)
      }
      if ((response.statusCode ?? 0) >= 400) throw refusal(response, rest)
      if (rest.trim() !== '') yield parseJson(rest, url) as T
    },
  }
}

const parseUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`'${text}' is not the URL of a Hearth: it looks like https://hearth.example.com:7433`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new UsageError(`${text}: a token is not sent unencrypted over a network: use https`)
  }
  return url
}

const answer = (request: ClientRequest, payload: string | undefined, url: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', (error) =>
      reject(error.name === 'AbortError' ? abortReason(error, url) : unreachable(url, error)),
    )
    request.setNoDelay(true)
    request.end(payload)
  })

/** Its caller's own reason if the caller gave up; else nothing came in time. */
const abortReason = (error: Error, url: string): unknown => {
  const reason = error.cause instanceof Error ? error.cause : error
  return reason.name === 'TimeoutError' ? unreachable(url, reason) : reason
}

const unreachable = (url: string, cause: unknown): FleetUnreachableError => {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const refused = code === 'ECONNREFUSED'
  const local = isLoopback(new URL(url).hostname)
  if (refused && local)
    return new FleetUnreachableError(`no Hearth at ${url}: start one with hearth up`, {refused, cause})
  const why = cause instanceof Error ? cause.message || code : String(cause)
  const message = refused || code === 'ENOTFOUND' ? `no Hearth at ${url}` : `the Hearth at ${url} does not answer`
  return new FleetUnreachableError(`${message} (${why}): is it running, and can this machine reach it?`, {
    refused,
    cause,
  })
}

const refusal = (response: IncomingMessage, text: string): RefusedError => {
  const status = response.statusCode ?? 0
  try {
    const {code, message} = JSON.parse(text) as ApiError
    if (typeof message === 'string') return new RefusedError(status, code, message)
  } catch {
    // not our JSON: a proxy answered, or something else listens there
  }
  return new RefusedError(
    status,
    'not-hearth',
    `the answer was ${status} ${text.slice(0, 200).trim()}: is this a Hearth?`,
  )
}

const parseJson = (text: string, url: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FleetUnreachableError(`what answers at ${url} is not a Hearth`, {refused: false, cause})
  }
}
