/** Publishing: the one effect of the demo that must happen exactly once. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reconciled } from 'selvage'
import type { CallLog } from './call-log.ts'
import type { Ledger } from './ledger.ts'

export interface Publication {
  readonly path: string
  readonly characters: number
}

const ANSWER_MS = 250

export class Press {
  readonly #path: string
  readonly #ledger: Ledger
  readonly #calls: CallLog

  constructor(path: string, ledger: Ledger, calls: CallLog) {
    this.#path = path
    this.#ledger = ledger
    this.#calls = calls
  }

  async publish(report: string, key: string): Promise<Publication> {
    const call = this.#calls.begin('publish', 'publish', this.#path)
    const publication: Publication = { path: this.#path, characters: report.length }
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(`${this.#path}.new`, report)
    renameSync(`${this.#path}.new`, this.#path)
    this.#ledger.record('publication', key, publication)
    call.applied()
    await sleep(ANSWER_MS)
    call.end()
    return publication
  }

  /** Asked by a worker that finds the intent of a dead one: has it happened? */
  async wasPublished(key: string): Promise<Reconciled<Publication>> {
    const line = this.#ledger.find(key)
    return line === undefined ? { done: false } : { done: true, result: line.value as Publication }
  }
}
