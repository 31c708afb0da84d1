/** Collects text up to a number of bytes: the first half and the last half are kept, with a line between that says what is missing. */
export type CutText = {add(text: string): void; toString(): string}

export const cutText = (maxBytes: number): CutText => {
  const half = Math.floor(maxBytes / 2)
  let head = ''
  let headBytes = 0
  let tail: string[] = []
  let tailBytes = 0
  let missingBytes = 0
  const trim = (): void => {
    let dropped = 0
    while (tailBytes > half && dropped < tail.length - 1) {
      const bytes = Buffer.byteLength(tail[dropped++] ?? '')
      tailBytes -= bytes
      missingBytes += bytes
    }
    if (dropped > 0) tail = tail.slice(dropped)
  }
  return {
    add: (text) => {
      for (const line of text.split(/(?<=\n)/)) {
        const bytes = Buffer.byteLength(line)
        if (tail.length === 0 && headBytes + bytes <= half) {
          head += line
          headBytes += bytes
        } else {
          tail.push(line)
          tailBytes += bytes
        }
      }
      if (tailBytes > 2 * half) trim()
    },
    toString: () => {
      trim()
      return missingBytes === 0 ? head + tail.join('') : `${head}\n[… ${missingBytes} bytes cut …]\n\n${tail.join('')}`
    },
  }
}
