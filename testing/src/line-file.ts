/**
 * A file of lines of JSON that only grows, shared by processes that die: a line is on the disk when `append` returns, and
 * nobody takes one back.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

export class LineFile<Line> {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  append(line: Line): void {
    appendFileSync(this.path, `${JSON.stringify(line)}\n`, { flush: true })
  }

  /** The whole lines, oldest first; none while there is no file. */
  read(): readonly Line[] {
    if (!existsSync(this.path)) return []
    const lines = readFileSync(this.path, 'utf8').split('\n')
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Line)
  }
}
