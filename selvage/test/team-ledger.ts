/** What the team did, as the outside saw it: a line for each execution, on the disk before the execution goes on. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StepContext } from '@selvage/core'

export interface TeamLine {
  readonly key: string
  readonly name: string
  readonly idempotencyKey: string
  /** The process that did it. */
  readonly pid: number
}

export class TeamLedger {
  readonly #path: string

  constructor(folder: string) {
    this.#path = join(folder, 'ledger')
  }

  record({ key, name, idempotencyKey }: StepContext): void {
    const line: TeamLine = { key, name, idempotencyKey, pid: process.pid }
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`, { flush: true })
  }

  read(): readonly TeamLine[] {
    if (!existsSync(this.#path)) return []
    const lines = readFileSync(this.#path, 'utf8').split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as TeamLine)
  }

  find(matches: (line: TeamLine) => boolean): TeamLine | undefined {
    return this.read().find(matches)
  }
}
