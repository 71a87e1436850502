/** What the team did, as the outside saw it: a line for each execution, on the disk before the execution goes on. */
import { join } from 'node:path'
import type { StepContext } from '@selvage/core'
import { LineFile } from '@selvage/testing'

export interface TeamLine {
  readonly key: string
  readonly name: string
  readonly idempotencyKey: string
  /** The process that did it. */
  readonly pid: number
}

export class TeamLedger extends LineFile<TeamLine> {
  constructor(folder: string) {
    super(join(folder, 'ledger'))
  }

  record({ key, name, idempotencyKey }: StepContext): void {
    this.append({ key, name, idempotencyKey, pid: process.pid })
  }

  find(matches: (line: TeamLine) => boolean): TeamLine | undefined {
    return this.read().find(matches)
  }
}
