export type TableFit = {
  /** Lines are at most this long, as far as the columns that may be cut allow it. */
  readonly width: number
  /** Headings of the columns that may be cut, with an ellipsis: never what people copy from it. */
  readonly cut: readonly string[]
}

const leastWidth = 6

/** Aligned columns with a heading, two spaces between; numbers are the caller's to format. Empty cells are `-`. */
export const table = (
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  fit: TableFit = {width: Number.POSITIVE_INFINITY, cut: []},
): string => {
  const all = [heading, ...rows.map((row) => row.map((cell) => cell || '-'))]
  const natural = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const widths = fitted(natural, heading, fit)
  return all
    .map((row) =>
      row
        .map((cell, column) => cutTo(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Takes from the widest of the columns that may be cut until the line fits. */
const fitted = (natural: readonly number[], heading: readonly string[], {width, cut}: TableFit): readonly number[] => {
  const widths = [...natural]
  const total = () => widths.reduce((sum, each) => sum + each + 2, -2)
  const cuttable = heading.flatMap((name, column) => (cut.includes(name) ? [column] : []))
  while (total() > width) {
    const widest = Math.max(0, ...cuttable.map((column) => widths[column] ?? 0))
    if (widest <= leastWidth) break
    const column = cuttable.find((each) => widths[each] === widest) as number
    widths[column] = widest - 1
  }
  return widths
}

const cutTo = (cell: string, width: number): string => (cell.length > width ? `${cell.slice(0, width - 1)}…` : cell)
