/**
 * Counts from outside: every call that really reaches a model or a tool body leaves a line when it begins and one when
 * it ends, before anybody else hears of it. What the journal gives back without a call leaves none. A call that was cut
 * off by a SIGKILL has a beginning and no end.
 */
import { appendFileSync } from 'node:fs'
import { currentStep } from 'selvage'
import { readLines } from './ledger.ts'

export interface Call {
  /** Tells the calls of one process apart. */
  readonly id: number
  readonly pid: number
  readonly kind: 'model' | 'tool' | 'publish'
  readonly name: string
  /** What it is about, for people. */
  readonly detail: string
  /** The run and step that made it; undefined for a call that was made past the gate. */
  readonly runId?: string
  readonly step?: string
  readonly key?: string
  readonly attempt?: number
}

/** `progress`: a model has said its first word. `applied`: the ledger has the effect, and the caller does not know yet. */
export type CallNote = {
  readonly event: 'begin' | 'progress' | 'applied' | 'end' | 'fail'
  readonly call: Call
  readonly at: number
  readonly detail?: string
}

export interface OpenCall {
  progress(): void
  applied(): void
  end(detail?: string): void
  fail(error: unknown): void
}

export class CallLog {
  readonly #path: string
  readonly #tell: (note: CallNote) => void
  #count = 0

  /** `tell` is called after the line is written. */
  constructor(path: string, tell: (note: CallNote) => void) {
    this.#path = path
    this.#tell = tell
  }

  begin(kind: Call['kind'], name: string, detail: string): OpenCall {
    const step = currentStep()
    const call: Call = {
      id: ++this.#count,
      pid: process.pid,
      kind,
      name,
      detail,
      ...(step !== undefined && {
        runId: step.runId,
        step: step.key,
        key: step.idempotencyKey,
        attempt: step.attempt,
      }),
    }
    const write = (event: CallNote['event'], said?: string): void => {
      const note: CallNote = { event, call, at: Date.now(), ...(said !== undefined && { detail: said }) }
      appendFileSync(this.#path, `${JSON.stringify(note)}\n`)
      this.#tell(note)
    }
    write('begin')
    return {
      progress: () => write('progress'),
      applied: () => write('applied'),
      end: (said) => write('end', said),
      fail: (error) => write('fail', String(error)),
    }
  }
}

export function readCalls(path: string): CallNote[] {
  return readLines<CallNote>(path)
}
