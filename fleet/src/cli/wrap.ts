/** The text's words in lines of at most `width`; those after the first are indented. A longer word keeps a line of its own. */
export const wrap = (text: string, width: number, indent = 0): string =>
  text
    .split('\n')
    .map((line) => wrapLine(line, width, ' '.repeat(indent)))
    .join(`\n${' '.repeat(indent)}`)

const wrapLine = (line: string, width: number, indent: string): string => {
  const lines: string[] = []
  let current = ''
  for (const word of line.split(' ')) {
    const room = width - (lines.length === 0 ? 0 : indent.length)
    if (current !== '' && current.length + 1 + word.length > room) {
      lines.push(current)
      current = word
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current].join(`\n${indent}`)
}

/** Two columns, the first as wide as its longest; the second is wrapped beside it. `  up    start it` */
export const twoColumns = (rows: readonly (readonly [left: string, right: string])[], width: number): string => {
  const first = Math.max(0, ...rows.map(([left]) => left.length))
  const indent = first + 4
  return rows
    .map(([left, right]) => {
      const beside = wrap(right, Math.max(20, width - indent)).replaceAll('\n', `\n${' '.repeat(indent)}`)
      return `  ${left.padEnd(first)}  ${beside}`.trimEnd()
    })
    .join('\n')
}
