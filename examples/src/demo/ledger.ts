/**
 * The outside world of the demo: a ledger that somebody else keeps. It is a file that is only appended to, one line per
 * call, each on the disk before the call returns. It knows nothing of Selvage, only of idempotency keys, as a payment
 * service or a ticket system would:
 *
 *   a key that it has not seen   applied
 *   a key that it has seen       a repeat: written down, not applied, answered with what was applied then
 *
 * So the file tells afterwards how often each effect was asked for and how often it was done, whoever died when.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'

export type LedgerKind = 'finding' | 'publication'

export interface LedgerLine {
  readonly kind: LedgerKind
  readonly key: string
  readonly applied: boolean
  readonly value: unknown
  readonly pid: number
  /** Epoch milliseconds. */
  readonly at: number
}

export class Ledger {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Asks for an effect. */
  record(kind: LedgerKind, key: string, value: unknown): LedgerLine {
    const before = this.find(key)
    const line: LedgerLine = {
      kind,
      key,
      applied: before === undefined,
      value: before === undefined ? value : before.value,
      pid: process.pid,
      at: Date.now(),
    }
    this.#append(line)
    return line
  }

  /** What was applied under this key, if anything. */
  find(key: string): LedgerLine | undefined {
    return this.lines().find((line) => line.key === key && line.applied)
  }

  lines(): LedgerLine[] {
    return readLines<LedgerLine>(this.path)
  }

  #append(line: LedgerLine): void {
    const file = openSync(this.path, 'a')
    try {
      writeSync(file, `${JSON.stringify(line)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

/** The whole lines of a file that processes append to and die over. */
export function readLines<Line>(path: string): Line[] {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'utf8')
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))
}
