import {describe, expect, it} from 'vitest'
import {createPrinter} from './printer.ts'

const sink = (isTTY: boolean) => {
  const written: string[] = []
  const write = (text: string, done?: unknown) => {
    written.push(text)
    if (typeof done === 'function') done()
    return true
  }
  return {isTTY, columns: 20, written, write: write as NodeJS.WriteStream['write']}
}
const printer = (isTTY: boolean, environment: NodeJS.ProcessEnv = {}) => {
  const [stdout, stderr] = [sink(isTTY), sink(isTTY)]
  return {print: createPrinter({stdout, stderr, environment}), stdout, stderr}
}

describe('createPrinter', () => {
  it('sends results to stdout and the rest to stderr', () => {
    const {print, stdout, stderr} = printer(false)
    print.line('result')
    print.note('said')
    expect([stdout.written, stderr.written]).toEqual([['result\n'], ['said\n']])
  })

  it('writes a line over on a terminal, cut to it, and clears it before the next', () => {
    const {print, stderr} = printer(true)
    print.update('waiting for a slot on a host')
    print.note('ready')
    expect(stderr.written).toEqual(['\r\x1b[Kwaiting for a slot ', '\r\x1b[K', 'ready\n'])
  })

  it('writes nothing over elsewhere', () => {
    const {print, stderr} = printer(false)
    print.update('waiting')
    print.clearUpdate()
    expect(stderr.written).toEqual([])
  })

  it.each([
    [true, {}, '\x1b[31mno\x1b[39m'],
    [true, {NO_COLOR: '1'}, 'no'],
    [true, {TERM: 'dumb'}, 'no'],
    [false, {}, 'no'],
  ])('colours a terminal only: %s %j', (isTTY, environment, expected) => {
    expect(printer(isTTY, environment).print.colour('red', 'no')).toBe(expected)
  })

  it('flushes both', async () => {
    const {print, stdout, stderr} = printer(false)
    await print.flush()
    expect([stdout.written, stderr.written]).toEqual([[''], ['']])
  })
})
