import {Readable} from 'node:stream'
import type {Log} from '@hearth/proto/clock'
import type {StreamLines} from './builds.ts'

/**
 * Streams until the iterable ends, the client goes, or `closing` aborts. An error in mid-stream cuts the connection, so that
 * a client can't take it for the end.
 */
export const ndjsonStreamer =
  (closing: AbortSignal, log: Log): StreamLines =>
  ({reply}, lines) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const signal = AbortSignal.any([closing, gone.signal])
    const text = Readable.from(toLines(lines(signal), signal), {objectMode: false, highWaterMark: 1})
    text.once('error', (err) => log.warn({err, requestId: reply.request.id}, 'a stream broke off'))
    void reply.type('application/x-ndjson; charset=utf-8')
    return text
  }

async function* toLines(values: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<string> {
  try {
    for await (const value of values) yield `${JSON.stringify(value)}\n`
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
