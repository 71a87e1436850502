/** What the demo works on and where it leaves its data: the same for the orchestrator and for every worker. */
import { join } from 'node:path'

export interface Settings {
  /** The folder of documents, and the parts of it that are read. */
  readonly root: string
  readonly within: readonly string[]
  /** The folder that everything is written to. */
  readonly data: string
}

export const urlOf = (settings: Settings): string => `sqlite:${join(settings.data, 'selvage.db')}`
export const ledgerOf = (settings: Settings): string => join(settings.data, 'ledger.jsonl')
export const callsOf = (settings: Settings): string => join(settings.data, 'calls.jsonl')
export const reportOf = (settings: Settings): string => join(settings.data, 'report.md')
