/**
 * How a signal comes to its run, in the order in which it was accepted. Names of executions are unique, so each of the first
 * two steps is decided by the service, once, whoever asks:
 *
 *   claim     an execution named after run and id: of two signals with one id the first counts
 *   enqueue   an execution named after run and number: the next that nobody has. With that it is accepted
 *   ring      the run is told, by a callback of its inbox: by the sender at once, else, where the run has not begun or no
 *             callback is open, by the execution that has the number, which looks again for as long as the run goes on
 *
 * Numbers have no gaps: n is asked for only by who has seen that there is n - 1. So whoever sends a signal after another one
 * was accepted gets a higher number, in whatever process, and the run takes them by their numbers (queue.ts). A sender who
 * dies between claim and number is helped by the execution of the claim. What is put twice is taken once, by its id.
 */
import { randomUUID } from 'node:crypto'
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import { SelvageError } from '@selvage/core'
import { endStatus, noRun, runEnded } from '@selvage/core/engines'
import { PLACE } from './errors.ts'
import { inboxName } from './names.ts'
import { type Known, outcomeOf, type Records } from './records.ts'
import type { LambdaService } from './service.ts'
import type { Bell, QueuedPayload, SignalPayload } from './wire.ts'

const TRIES = 20
const LONGEST_PAUSE_SECONDS = 60
/** Clocks differ: what was put so much before a signal was sent is another one. */
const SKEW_MS = 60_000
/** State of the condition: how often it was looked at, or that there is nothing more to do. */
const DONE = -1
const MAX_RUNS = 10_000

type Unnumbered = Pick<QueuedPayload, 'runId' | 'id' | 'letter'> & Pick<SignalPayload, 'from'>

export class Post {
  private readonly service: LambdaService
  private readonly records: Records
  private readonly report: (error: unknown) => void
  /** By run: the number behind the last one that this process gave, and that being over. One is given after the other. */
  private readonly given = new Map<string, { readonly next: number; readonly turn: Promise<unknown> }>()

  constructor(service: LambdaService, records: Records, report: (error: unknown) => void) {
    this.service = service
    this.records = records
    this.report = report
  }

  // ── the sender ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Undefined: it counts. Else the one that does, which has its number by then. */
  async claim(payload: SignalPayload): Promise<SignalPayload | undefined> {
    const { runId, id } = payload
    if (await this.service.invoke(this.service.names.signal(runId, id), payload)) return undefined
    const first = await this.service.shown(this.service.names.signal(runId, id))
    const found = JSON.parse(first.input) as SignalPayload
    if (first.status === 'RUNNING') await this.ensure(found)
    return found
  }

  /** Who claimed that id, if anybody has. */
  async claimed(runId: string, id: string): Promise<SignalPayload | undefined> {
    const execution = await this.service.find(this.service.names.signal(runId, id))
    return execution === undefined ? undefined : (JSON.parse(execution.input) as SignalPayload)
  }

  /** Nothing that is sent from now on gets a number below this one. */
  from(runId: string, taken: number): number {
    return Math.max(taken, this.given.get(runId)?.next ?? 0)
  }

  /** Puts it behind all that were accepted before, and tells the run. */
  async enqueue(signal: Unnumbered): Promise<void> {
    const { runId, letter } = signal
    const { turn: before = Promise.resolve(), next = 0 } = this.given.get(runId) ?? {}
    const turn = before.then(() => this.number(signal))
    if (this.given.size >= MAX_RUNS) this.given.clear()
    this.given.set(runId, { next, turn: turn.catch(() => {}) })
    const number = await turn
    // It is accepted: whatever happens here, the execution that has the number tells the run.
    await this.ring(runId, { number, letter }).catch((error: unknown) => {
      if (!SelvageError.is(error, 'RUN_ENDED')) this.report(error)
    })
  }

  private async number({ runId, id, letter, from }: Unnumbered): Promise<number> {
    for (let number = this.from(runId, from); ; number = await this.behind(runId, number)) {
      const own = { number, nonce: randomUUID(), at: Date.now() }
      const payload: QueuedPayload = { selvage: 'queued', runId, id, letter, ...own }
      if (!(await this.service.invoke(this.service.names.queued(runId, number), payload))) continue
      const { turn = Promise.resolve() } = this.given.get(runId) ?? {}
      this.given.set(runId, { next: number + 1, turn })
      return number
    }
  }

  /** The signal of that number, if it can be seen. */
  async at(runId: string, number: number): Promise<QueuedPayload | undefined> {
    const execution = await this.service.find(this.service.names.queued(runId, number))
    return execution === undefined ? undefined : (JSON.parse(execution.input) as QueuedPayload)
  }

  /** A number above `taken`, which somebody has, that nobody is seen to have; there may be one below. */
  private async behind(runId: string, taken: number): Promise<number> {
    let stride = 1
    while (await this.isThere(runId, taken + stride)) stride *= 2
    let last = taken + Math.floor(stride / 2)
    for (let half = Math.floor(stride / 4); half >= 1; half = Math.floor(half / 2)) {
      if (await this.isThere(runId, last + half)) last += half
    }
    return last + 1
  }

  private async isThere(runId: string, number: number): Promise<boolean> {
    return (await this.service.arnOf(this.service.names.queued(runId, number))) !== undefined
  }

  /** False: the inbox is full, or nobody has opened it yet. NOT_FOUND, RUN_ENDED. */
  private async ring(runId: string, bell: Bell): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const known = await this.records.find(runId)
      if (known === undefined) throw noRun(PLACE, runId)
      const outcome = outcomeOf(known)
      if (outcome !== undefined) throw runEnded(runId, endStatus(outcome))
      const open = await this.firstOpen(known.execution.arn, inboxName(runId))
      if (open === undefined) return false
      if (await this.service.complete(open, JSON.stringify(bell))) return true
    }
    return false
  }

  // ── the executions ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The handler of a claim. */
  async settle(ctx: DurableContext, payload: SignalPayload): Promise<void> {
    await this.until(ctx, 'has a number', async (looks) => {
      if (await this.isQueued(payload)) return true
      // At first its sender is about to. Also of a run that has ended: whoever retries it finds what was claimed.
      if (looks > 0) await this.enqueue(payload)
      return looks > 0
    })
  }

  /** The handler of a number. */
  async deliver(ctx: DurableContext, { runId, number, letter, at }: QueuedPayload): Promise<void> {
    const bell: Bell = { number, letter }
    await this.until(ctx, 'deliver', async (looks) => {
      const known = await this.records.known(runId)
      const outcome = outcomeOf(known)
      // One that was retried just now may not be shown yet, and has perhaps not seen this number.
      if (outcome !== undefined) return 'ok' in outcome || looks > 0
      if ((await this.records.taken(known)) > number || (await this.hasRung(known, bell, at))) return true
      return looks > 0 && (await this.ring(runId, bell))
    })
  }

  /** Looks after 0, 1, 2, 4, … 60 seconds. */
  private async until(ctx: DurableContext, name: string, isDone: (looks: number) => Promise<boolean>): Promise<void> {
    await ctx.waitForCondition(
      name,
      async (looks: number): Promise<number> => {
        try {
          return (await isDone(looks)) ? DONE : looks + 1
        } catch (error) {
          if (SelvageError.is(error, 'NOT_FOUND') || SelvageError.is(error, 'RUN_ENDED')) return DONE
          this.report(error)
          return looks + 1
        }
      },
      {
        initialState: 0,
        waitStrategy: (looks) =>
          looks === DONE
            ? { shouldContinue: false }
            : {
                shouldContinue: true,
                delay: { seconds: Math.min(LONGEST_PAUSE_SECONDS, 2 ** Math.min(looks - 1, 20)) },
              },
      },
    )
  }

  private async ensure(payload: SignalPayload): Promise<void> {
    if (!(await this.isQueued(payload))) await this.enqueue(payload)
  }

  private async isQueued({ runId, id, from }: SignalPayload): Promise<boolean> {
    for (let number = from; ; number++) {
      const queued = await this.at(runId, number)
      if (queued === undefined || queued.id === id) return queued !== undefined
    }
  }

  /** Whether its sender has told the run. */
  private async hasRung({ execution }: Known, bell: Bell, at: number): Promise<boolean> {
    const text = JSON.stringify(bell)
    for await (const event of this.service.events(execution.arn, { reverse: true, data: true, pageSize: 100 })) {
      if ((event.EventTimestamp?.getTime() ?? 0) < at - SKEW_MS) return false
      if (event.CallbackSucceededDetails?.Result?.Payload === text) return true
    }
    return false
  }

  /** The callback of the inbox that is to be completed next. They are opened and completed in order. */
  private async firstOpen(arn: string, inbox: string): Promise<string | undefined> {
    const over = new Set<string>()
    let first: string | undefined
    for await (const event of this.service.events(arn, { reverse: true })) {
      const { EventType: type = '', Id: id = '', Name: name, CallbackStartedDetails: started } = event
      if (started === undefined) {
        if (type.startsWith('Callback')) over.add(id)
      } else if (name === inbox) {
        if (over.has(id)) return first
        first = started.CallbackId
      }
    }
    return first
  }
}
