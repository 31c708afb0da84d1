import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {cutText} from './cut-text.ts'

const collect = (maxBytes: number, texts: readonly string[]): string => {
  const cut = cutText(maxBytes)
  for (const text of texts) cut.add(text)
  return cut.toString()
}
const marker = /\n\[… (\d+) bytes cut …\]\n\n/
const bytes = (text: string) => Buffer.byteLength(text)

describe('cutText', () => {
  it('keeps what fits as it is', () => {
    expect(collect(100, [])).toBe('')
    expect(collect(100, ['one\ntwo', ' more\n'])).toBe('one\ntwo more\n')
  })

  it('keeps the first and the last lines of what does not, and says how much is missing', () => {
    const lines = Array.from({length: 100}, (_, index) => `line ${String(index).padStart(2, '0')}\n`)
    const text = collect(80, lines)
    const kept = ['line 00', 'line 01', 'line 02', 'line 03', 'line 04']
    const last = ['line 95', 'line 96', 'line 97', 'line 98', 'line 99']
    expect(text).toBe(`${kept.join('\n')}\n\n[… 720 bytes cut …]\n\n${last.join('\n')}\n`)
  })

  it('cuts within a line that has no end', () => {
    const text = collect(20_000, ['a'.repeat(1_000_000)])
    expect(bytes(text)).toBeLessThan(20_100)
    expect(text).toMatch(/^a{8192}\n\[… \d+ bytes cut …\]\n\na{8000,}$/)
  })

  it('never keeps more than it may, never loses what fits, and counts every byte', () => {
    const part = fc.string({unit: 'grapheme', maxLength: 40})
    const parts = fc.array(fc.oneof(part, fc.constant('\n'), fc.constant('ü'.repeat(5000))), {maxLength: 60})
    fc.assert(
      fc.property(parts, fc.integer({min: 2, max: 20_000}), (texts, maxBytes) => {
        const whole = texts.join('')
        const text = collect(maxBytes, texts)
        const [found, missing] = marker.exec(text) ?? []
        if (!found) {
          expect(text).toBe(whole)
          return
        }
        const [head, tail] = [text.slice(0, text.indexOf(found)), text.slice(text.indexOf(found) + found.length)]
        expect(whole.startsWith(head) && whole.endsWith(tail)).toBe(true)
        expect(bytes(head) + bytes(tail)).toBeLessThanOrEqual(maxBytes)
        expect(bytes(head) + bytes(tail) + Number(missing)).toBe(bytes(whole))
      }),
    )
  })
})
