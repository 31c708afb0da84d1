import type {Printer} from './printer.ts'

/** Prints into memory, one entry for each line; no terminal, no colours. */
export const fakePrinter = (): Printer & {readonly out: readonly string[]; readonly err: readonly string[]} => {
  const out: string[] = []
  const err: string[] = []
  return {
    out,
    err,
    terminal: false,
    columns: 100,
    width: 100,
    line: (text) => void out.push(text),
    note: (text) => void err.push(text),
    update: () => undefined,
    clearUpdate: () => undefined,
    colour: (_, text) => text,
    flush: async () => undefined,
  }
}
