/**
 * Tells the run's story as its journal grows, and knows which of it is done: what a new worker is given back and need not
 * do again.
 */
import type { RunEvent } from 'selvage'
import type { Call, CallNote } from './call-log.ts'
import { paint, plural, type Timeline } from './timeline.ts'
import type { Seen } from './watch.ts'

type StepCompleted = Extract<RunEvent, { readonly type: 'stepCompleted' }>

interface Stage {
  models: number
  tools: number
  ended: boolean
}

export class Narrator {
  readonly #timeline: Timeline
  readonly #root: string
  readonly #stages = new Map<string, Stage>()
  /** The calls that were made for each step, by its key in its run, and what was said of the last when it ended. */
  readonly #made = new Map<string, Call[]>()
  readonly #said = new Map<string, string>()

  constructor(timeline: Timeline, root: string) {
    this.#timeline = timeline
    this.#root = root
  }

  heard({ event, call, detail }: CallNote): void {
    const id = idOf(call.runId ?? '', call.step ?? '')
    if (event === 'begin') this.#made.set(id, [...(this.#made.get(id) ?? []), call])
    if (event === 'end') this.#said.set(id, [call.detail, detail].filter(Boolean).join(' '))
  }

  recorded({ runId, event }: Seen, pid: number): void {
    const name = this.#nameOf(runId)
    if (event.type === 'runStarted' && runId !== this.#root) {
      this.#stages.set(name, { models: 0, tools: 0, ended: false })
      this.#timeline.line('begins', paint('bold', name))
    }
    if (event.type === 'stepCompleted' && event.kind !== 'child') this.#step(name, runId, event, pid)
    if (event.type === 'stepFailed') this.#timeline.line('says', `${name} ${event.name} failed: ${event.error.message}`)
    if (event.type === 'runCompleted') {
      const stage = this.#stages.get(name)
      if (stage !== undefined) this.#end(stage, event.output)
    }
  }

  /** What the journal holds, in the words of stages. */
  recovered(): string {
    const parts = [...this.#stages].map(([name, { models, tools, ended }]) =>
      ended ? `${name}: all of it` : `${name}: ${plural(models, 'model call')}, ${plural(tools, 'tool call')}`,
    )
    return parts.length === 0 ? 'nothing was recorded yet' : parts.join(' · ')
  }

  #end(stage: Stage, output: unknown): void {
    stage.ended = true
    const text = typeof output === 'object' && output !== null && 'text' in output ? String(output.text) : ''
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (lines.length > MOST_LINES) return
    for (const line of lines) this.#timeline.line('says', paint('gray', brief(line)))
  }

  #step(name: string, runId: string, event: StepCompleted, pid: number): void {
    const stage = this.#stages.get(name)
    if (stage !== undefined && event.kind === 'model') stage.models++
    if (stage !== undefined && event.kind === 'tool') stage.tools++
    const id = idOf(runId, event.step)
    const calls = this.#made.get(id) ?? []
    const took = `${event.at - event.startedAt} ms`
    const about = this.#said.get(id) ?? calls.at(-1)?.detail ?? ''
    const what = `${name.padEnd(9)}  ${event.kind === 'model' ? 'model' : event.name} ${about}`
    if (calls.length > 0 && calls.every((call) => call.pid !== pid)) {
      this.#timeline.line('reconciled', `${what}: it was asked for, and had happened`)
    } else if (calls.length > 1) {
      this.#timeline.line('again', `${what} ${paint('gray', `${took}, same key: the call before was cut off`)}`)
    } else {
      this.#timeline.line('executed', `${what} ${paint('gray', took)}`)
    }
  }

  #nameOf(runId: string): string {
    return runId === this.#root ? 'report' : runId.slice(this.#root.length + 1)
  }
}

/** A stage that answers more than so many lines has written a document, and is not quoted. */
const MOST_LINES = 8
const LONGEST_LINE = 110

function brief(line: string): string {
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE - 1)}…`
}

function idOf(runId: string, step: string): string {
  return JSON.stringify([runId, step])
}
