/**
 * Brings one run to its end with workers that are killed on the way.
 *
 *   starting ──▶ working ──a place of kills.ts is hit──▶ killed ──▶ (a person is asked?) answered ──▶ starting …
 *                   └──the run has ended──▶ dismissed
 *
 * It never works on the run itself: it watches the journal through a Selvage opened with `work: false`, hears from the
 * worker what that is calling, and answers the one question that the run asks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Question, RunEvent, Selvage } from 'selvage'
import type { CallNote } from './call-log.ts'
import { Kills, type Moment } from './kills.ts'
import { Narrator } from './narrator.ts'
import type { Settings } from './settings.ts'
import { seconds, type Timeline } from './timeline.ts'
import { type Seen, watch } from './watch.ts'
import { type News, WorkerProcess } from './worker-process.ts'

/** Nothing at all has happened for so long: something is broken. */
const STALLED_MS = 180_000
const LOOK_AGAIN_MS = 20

export interface Strike {
  readonly where: string
  /** What the process really died of. */
  readonly signal: NodeJS.Signals | null
  /** From the kill, or from the answer that came while nobody worked, to the first act of the next worker. */
  takeOverMs?: number
}

export interface Plan {
  readonly selvage: Selvage
  readonly settings: Settings
  readonly runId: string
  readonly timeline: Timeline
  readonly answer: (question: Question) => Promise<string>
}

/** Resolves with the kills when the run has ended. Rejects if a worker dies by itself, or nothing happens any more. */
export async function bringToItsEnd(plan: Plan): Promise<readonly Strike[]> {
  const orchestrator = new Orchestrator(plan)
  return orchestrator.run()
}

class Orchestrator {
  readonly #plan: Plan
  readonly #narrator: Narrator
  readonly #kills = new Kills()
  readonly #strikes: Strike[] = []
  readonly #inFlight = new Map<string, CallNote['call']>()
  readonly #over = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #worker: WorkerProcess | undefined
  #workers = 0
  #killing = false
  #question: Question | undefined
  #stalled: NodeJS.Timeout | undefined
  /** Since when the run waits for the new worker to act. */
  #waiting: { readonly since: number; readonly what: string; working?: number } | undefined

  constructor(plan: Plan) {
    this.#plan = plan
    this.#narrator = new Narrator(plan.timeline, plan.runId)
  }

  async run(): Promise<readonly Strike[]> {
    const { selvage, runId } = this.#plan
    this.#start()
    const watching = watch(selvage, runId, (seen) => this.#onSeen(seen), this.#stop.signal)
    try {
      await Promise.race([watching, this.#over.promise])
      await this.#worker?.dismiss()
      return this.#strikes
    } catch (error) {
      this.#killing = true
      await this.#worker?.kill()
      throw error
    } finally {
      clearTimeout(this.#stalled)
      this.#stop.abort()
      await watching.catch(() => {})
    }
  }

  #start(): void {
    const number = ++this.#workers
    const worker = new WorkerProcess(this.#plan.settings, {
      onNews: (news) => this.#onNews(worker, news),
      onLine: (line) => this.#plan.timeline.line('says', line),
      onDeath: (how) => this.#over.reject(new Error(`Worker ${number} ended by itself: ${how}.`)),
    })
    this.#worker = worker
    this.#killing = false
    this.#sign()
    this.#plan.timeline.line('worker', `${number} started, pid ${worker.pid}`)
  }

  #onNews(worker: WorkerProcess, news: News): void {
    if (news.type === 'working') {
      if (this.#waiting !== undefined) this.#waiting.working = Date.now()
      return
    }
    const { note } = news
    const id = `${note.call.pid}:${note.call.id}`
    this.#narrator.heard(note)
    if (note.event === 'begin') this.#inFlight.set(id, note.call)
    if (note.event === 'end' || note.event === 'fail') this.#inFlight.delete(id)
    if (worker !== this.#worker) return
    this.#tookOver()
    this.#look({ type: 'call', note, inFlight: this.#calls() })
  }

  #onSeen(seen: Seen): void {
    const { event } = seen
    if (event.type === 'questionOpened') this.#question = event.question
    if (this.#waiting?.working !== undefined && event.at >= this.#waiting.since) this.#tookOver()
    this.#narrator.recorded(seen, this.#worker?.pid ?? 0)
    this.#look({ type: 'journal', event: event satisfies RunEvent, inFlight: this.#calls() })
  }

  #look(moment: Moment): void {
    this.#sign()
    if (this.#killing) return
    const where = this.#kills.hits(moment)
    if (where === undefined) return
    this.#killing = true
    this.#strike(where).catch((error: unknown) => this.#over.reject(error))
  }

  async #strike(where: string): Promise<void> {
    const { timeline } = this.#plan
    const worker = this.#worker
    if (worker === undefined) return
    if (this.#question !== undefined) await this.#suspended()
    let since = Date.now()
    const signal = await worker.kill()
    this.#strikes.push({ where, signal })
    timeline.line('SIGKILL', `worker ${this.#workers}, pid ${worker.pid}, ${where}`)
    let what = 'the kill'
    const question = this.#question
    if (question !== undefined) {
      this.#question = undefined
      timeline.line(
        'question',
        `${question.id} "${question.name}" is open. No process works on the run, and none is needed`,
      )
      clearTimeout(this.#stalled)
      timeline.line('answer', await this.#plan.answer(question))
      since = Date.now()
      what = 'the answer'
    }
    this.#waiting = { since, what }
    this.#start()
  }

  /** Resolves when the worker has nothing more to do for the run: it waits for a person. */
  async #suspended(): Promise<void> {
    const run = this.#plan.selvage.run(this.#plan.runId)
    while ((await run.status()).status !== 'suspended') await sleep(LOOK_AGAIN_MS)
  }

  /** The new worker has acted: from here on it has the run. */
  #tookOver(): void {
    if (this.#waiting === undefined) return
    const { since, what, working } = this.#waiting
    this.#waiting = undefined
    const now = Date.now()
    const strike = this.#strikes.at(-1)
    if (strike !== undefined) strike.takeOverMs = now - since
    const start = working === undefined ? '' : ` (${seconds(working - since)} of them to start the process)`
    this.#plan.timeline.line('worker', `${this.#workers} took over ${seconds(now - since)} after ${what}${start}`)
    this.#plan.timeline.line('recovered', `${this.#narrator.recovered()}; none of it is called again`)
  }

  #calls(): CallNote['call'][] {
    const pid = this.#worker?.pid
    return [...this.#inFlight.values()].filter((call) => call.pid === pid)
  }

  #sign(): void {
    clearTimeout(this.#stalled)
    this.#stalled = setTimeout(() => {
      this.#over.reject(new Error(`Nothing has happened for ${STALLED_MS / 1_000} s.`))
    }, STALLED_MS)
  }
}
