type Sink = Pick<NodeJS.WriteStream, 'write'> & {readonly isTTY?: boolean; readonly columns?: number}
export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold'

const codes: Record<Colour, readonly [open: number, close: number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
}

/**
 * The only writer to stdout and stderr. Results go to stdout (`line`), what is said about them to stderr (`note`), so that
 * `hearth build -o - .` can be piped. `update` is one line that is written over on a terminal, and nothing elsewhere.
 */
export type Printer = {
  line(text: string): void
  note(text: string): void
  update(text: string): void
  clearUpdate(): void
  colour(colour: Colour, text: string): string
  readonly terminal: boolean
  readonly columns: number
  /** What a line of stdout may hold: what fits the terminal, at most 100; all of it where it is piped. */
  readonly width: number
  /** Resolves when all that was written has been handed to the system. */
  flush(): Promise<void>
}

/** Colours only where stderr is a terminal and NO_COLOR is not set. */
export const createPrinter = ({
  stdout,
  stderr,
  environment,
}: {
  stdout: Sink
  stderr: Sink
  environment: NodeJS.ProcessEnv
}): Printer => {
  const terminal = stderr.isTTY === true && environment['TERM'] !== 'dumb'
  const coloured = terminal && !environment['NO_COLOR']
  const columns = Math.min(100, stderr.columns ?? 100)
  const width = stdout.isTTY ? Math.min(100, stdout.columns ?? 100) : Number.POSITIVE_INFINITY
  let updating = false
  const clearUpdate = () => {
    if (updating) stderr.write('\r\x1b[K')
    updating = false
  }
  const drained = (sink: Sink) => new Promise<void>((resolve) => sink.write('', () => resolve()))
  return {
    terminal,
    columns,
    width,
    clearUpdate,
    line(text) {
      clearUpdate()
      stdout.write(`${text}\n`)
    },
    note(text) {
      clearUpdate()
      stderr.write(`${text}\n`)
    },
    update(text) {
      if (!terminal) return
      stderr.write(`\r\x1b[K${text.slice(0, columns - 1)}`)
      updating = true
    },
    colour: (colour, text) => (coloured ? `\x1b[${codes[colour][0]}m${text}\x1b[${codes[colour][1]}m` : text),
    flush: async () => {
      await Promise.all([drained(stdout), drained(stderr)])
    },
  }
}
