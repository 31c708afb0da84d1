/** Collects text up to a number of bytes: the first half and the last half are kept, with a line between that says what is missing. */
export type CutText = {add(text: string): void; toString(): string}

/** Lines longer than this are cut within. */
const longestPiece = 4096

export const cutText = (maxBytes: number): CutText => {
  const half = Math.floor(maxBytes / 2)
  let head = ''
  let headBytes = 0
  let tail: {readonly text: string; readonly bytes: number}[] = []
  let tailBytes = 0
  let missingBytes = 0
  const trim = (): void => {
    let dropped = 0
    for (; tailBytes > half; dropped++) {
      const bytes = tail[dropped]?.bytes ?? 0
      tailBytes -= bytes
      missingBytes += bytes
    }
    if (dropped > 0) tail = tail.slice(dropped)
  }
  return {
    add: (added) => {
      for (const text of piecesOf(added)) {
        const bytes = Buffer.byteLength(text)
        if (tail.length === 0 && missingBytes === 0 && headBytes + bytes <= half) {
          head += text
          headBytes += bytes
        } else {
          tail.push({text, bytes})
          tailBytes += bytes
        }
      }
      if (tailBytes > 2 * half) trim()
    },
    toString: () => {
      trim()
      const rest = tail.map(({text}) => text).join('')
      return missingBytes === 0 ? head + rest : `${head}\n[… ${missingBytes} bytes cut …]\n\n${rest}`
    },
  }
}

const piecesOf = (text: string): readonly string[] =>
  text
    .split(/(?<=\n)/)
    .flatMap((line) => (line.length > longestPiece ? (line.match(/.{1,4096}/gsu) ?? []) : line === '' ? [] : line))
