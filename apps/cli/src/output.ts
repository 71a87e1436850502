/**
 * Where words go. Answers go to stdout, everything else to stderr, so that a pipe carries only answers. With `--json`
 * both are JSON. Colours only on a terminal that wants them: NO_COLOR, FORCE_COLOR and a pipe are respected.
 */
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

export interface Output {
  readonly json: boolean
  /** Width of the terminal in columns; undefined in a pipe, where nothing is cut. */
  readonly width: number | undefined
  /** A line for people. */
  line(text?: string): void
  /** A document for programs, on one line. */
  document(value: unknown): void
  /** A line on stderr. */
  note(text: string): void
  style(format: Format, text: string): string
}

export function createOutput(json: boolean): Output {
  const stdout = process.stdout
  return {
    json,
    width: stdout.isTTY ? stdout.columns : undefined,
    line: (text = '') => void stdout.write(`${text}\n`),
    document: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    style: (format, text) => styleText(format, text, { stream: stdout, validateStream: true }),
  }
}

/** A reader that has seen enough (`selvage list | head`) is no failure. */
export function allowClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
