import {expect, test} from 'vitest'
import {createOneAtATime} from './one-at-a-time.ts'

const signal = new AbortController().signal
/** An act that notes its begin and end, and ends when told. */
const act = (name: string, seen: string[]) => {
  const end = Promise.withResolvers<void>()
  const run = async () => {
    seen.push(`${name} begins`)
    await end.promise
    seen.push(`${name} ends`)
    return name
  }
  return {run, end: end.resolve, fail: end.reject}
}

test('acts of one key run in their order, one after the other', async () => {
  const seen: string[] = []
  const [a, b, c] = [act('a', seen), act('b', seen), act('c', seen)]
  const oneAtATime = createOneAtATime()
  const all = [a, b, c].map(({run}) => oneAtATime('key', run, signal))
  c.end()
  b.end()
  a.end()
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c'])
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('acts of other keys do not wait', async () => {
  const seen: string[] = []
  const [a, b] = [act('a', seen), act('b', seen)]
  const oneAtATime = createOneAtATime()
  const first = oneAtATime('one', a.run, signal)
  b.end()
  expect(await oneAtATime('other', b.run, signal)).toBe('b')
  a.end()
  await first
})

test('a failed act lets the next begin', async () => {
  const seen: string[] = []
  const [a, b] = [act('a', seen), act('b', seen)]
  const oneAtATime = createOneAtATime()
  const first = oneAtATime('key', a.run, signal)
  const second = oneAtATime('key', b.run, signal)
  const failure = new Error('failed')
  a.fail(failure)
  b.end()
  await expect(first).rejects.toBe(failure)
  expect(await second).toBe('b')
})

test('one that gives up while it waits never begins, and the one behind it still waits for the first', async () => {
  const seen: string[] = []
  const [a, b, c] = [act('a', seen), act('b', seen), act('c', seen)]
  const oneAtATime = createOneAtATime()
  const giveUp = new AbortController()
  const reason = new Error('no longer wanted')
  const first = oneAtATime('key', a.run, signal)
  const second = oneAtATime('key', b.run, giveUp.signal)
  const third = oneAtATime('key', c.run, signal)
  giveUp.abort(reason)
  await expect(second).rejects.toBe(reason)
  expect(seen).toEqual(['a begins'])
  a.end()
  c.end()
  await Promise.all([first, third])
  expect(seen).toEqual(['a begins', 'a ends', 'c begins', 'c ends'])
})
