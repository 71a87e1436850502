/**
 * What was done outside, as the outside saw it: one line per effect, in the order in which they happened, in a file that
 * only grows and is on the disk when `record` returns. No process that dies can take a line back.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Effect } from '@selvage/core'

export interface LedgerLine {
  readonly runId: string
  readonly key: string
  readonly name: string
  readonly effect: Effect
  readonly attempt: number
  readonly idempotencyKey: string
  /** The process that did it. */
  readonly pid: number
}

export class EffectsLedger {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  record(line: LedgerLine): void {
    const file = openSync(this.path, 'a')
    try {
      writeSync(file, `${JSON.stringify(line)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  read(): readonly LedgerLine[] {
    if (!existsSync(this.path)) return []
    const lines = readFileSync(this.path, 'utf8').split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LedgerLine)
  }
}
