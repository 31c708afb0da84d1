import {expect, test} from 'vitest'
import {abortable} from './abortable.ts'

test('the result comes through, and so does the failure', async () => {
  const signal = new AbortController().signal
  const failure = new Error('failed')
  expect(await abortable(Promise.resolve(1), signal)).toBe(1)
  await expect(abortable(Promise.reject(failure), signal)).rejects.toBe(failure)
})

test('an abort ends the wait for what never comes', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const waiting = abortable(new Promise(() => undefined), controller.signal)
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
})

test('a signal that was aborted before wins', async () => {
  const reason = new Error('too late')
  await expect(abortable(new Promise(() => undefined), AbortSignal.abort(reason))).rejects.toBe(reason)
})

test('what fails after the abort is no unhandled rejection', async () => {
  const late = Promise.withResolvers<never>()
  const reason = new Error('enough')
  await expect(abortable(late.promise, AbortSignal.abort(reason))).rejects.toBe(reason)
  late.reject(new Error('much later'))
})
