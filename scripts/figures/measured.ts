// What the figures of docs/engines.md need of an engine: the module engines/<name>/test/figures….ts exports it.
import type { OpenedEngine } from '../../testing/src/conformance/index.ts'

export interface Measured {
  /** The head of its column. */
  readonly title: string
  /** Steps in sequence: enough for a figure, few enough for a minute. Default 300. */
  readonly steps?: number
  /** It can show steps by their names, at a price: measured with and without. */
  readonly namesSteps?: boolean
  /** Said below the table. */
  readonly note?: string
  /** Starts what the engine needs; processes of ours find it in their environment. */
  begin(): Promise<Place>
  /** As users have it. Opened on the same folder it is the same place, also in another process. */
  open(folder: string, options: { readonly namesSteps: boolean }): Promise<OpenedEngine>
}

export interface Place {
  /** Of the server, where it is a process of its own. */
  pid?(): number | undefined
  /** What the engine keeps of a run, before any compression of its own. */
  bytesOf(runId: string, folder: string): Promise<number>
  close(): Promise<void>
}

/** What was measured. Times are milliseconds. */
export interface Figures {
  readonly title: string
  readonly note?: string
  readonly stepMs: number
  readonly stepBytes: number
  /** Steps by no names, where the engine has the choice. */
  readonly unnamed?: { readonly stepMs: number; readonly stepBytes: number }
  readonly resumeMs: number
  readonly workerMiB: number
  readonly serverMiB?: readonly [idle: number, after: number]
}
