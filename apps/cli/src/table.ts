import { stripVTControlCharacters } from 'node:util'

/** Columns padded to their widest cell; the last one is cut where the terminal ends. Cells may be coloured. */
export function table(rows: readonly (readonly string[])[], width: number | undefined, indent = ''): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, columns(cell))
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - columns(cell)),
    )
    return cut(indent + cells.join('  ').trimEnd(), width)
  })
}

/** One line of at most `width` columns. A cut line loses its colours: half an escape sequence would colour the rest. */
export function cut(line: string, width: number | undefined): string {
  if (width === undefined || columns(line) <= width) return line
  return `${stripVTControlCharacters(line).slice(0, Math.max(0, width - 1))}…`
}

function columns(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}
