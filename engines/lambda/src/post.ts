/**
 * How a signal comes to its run. Whoever sends it first begins an execution that carries it, named after run and id: from
 * then on it is accepted, and nobody else's counts. Then it is put into the run's inbox: by the sender at once, else,
 * where the run has not begun or nothing is open, by that execution, which looks again for as long as the run goes on.
 * Where both do it, the run takes it once, by its id.
 */
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import { SelvageError } from '@selvage/core'
import { notFound, runEnded } from './errors.ts'
import { inboxName } from './names.ts'
import { type Known, outcomeOf, type Records } from './records.ts'
import type { LambdaService } from './service.ts'
import type { Letter, SignalPayload } from './wire.ts'

const TRIES = 20
const LONGEST_PAUSE_SECONDS = 60
/** Clocks differ: what was put so much before a signal was sent is another one. */
const SKEW_MS = 60_000
/** State of the condition: how often it was looked at, or that there is nothing more to do. */
const DONE = -1

export class Post {
  private readonly service: LambdaService
  private readonly records: Records

  constructor(service: LambdaService, records: Records) {
    this.service = service
    this.records = records
  }

  /** False: the inbox is full, or nobody has opened it yet. NOT_FOUND, RUN_ENDED. */
  async put(runId: string, letter: Letter): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const known = await this.records.find(runId)
      if (known === undefined) throw notFound(runId)
      if (outcomeOf(known) !== undefined) throw runEnded(runId)
      const open = await this.firstOpen(known.execution.arn, inboxName(runId))
      if (open === undefined) return false
      if (await this.service.complete(open, JSON.stringify(letter))) return true
    }
    return false
  }

  /** The handler of an execution that carries a signal. */
  async deliver(ctx: DurableContext, payload: SignalPayload, report: (error: unknown) => void): Promise<void> {
    const { runId, letter } = payload
    await ctx.waitForCondition(
      'deliver',
      async (looks: number): Promise<number> => {
        // Its sender is about to.
        if (looks === 0) return 1
        try {
          if (await this.isThere(await this.records.known(runId), payload)) return DONE
          return (await this.put(runId, letter)) ? DONE : looks + 1
        } catch (error) {
          if (SelvageError.is(error, 'NOT_FOUND') || SelvageError.is(error, 'RUN_ENDED')) return DONE
          report(error)
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

  /** Whether its sender has put it into the inbox. */
  private async isThere({ execution }: Known, { letter, at }: SignalPayload): Promise<boolean> {
    const text = JSON.stringify(letter)
    for await (const event of this.records.events(execution.arn, { reverse: true, data: true, pageSize: 100 })) {
      if ((event.EventTimestamp?.getTime() ?? 0) < at - SKEW_MS) return false
      if (event.CallbackSucceededDetails?.Result?.Payload === text) return true
    }
    return false
  }

  /** The callback of the inbox that is to be completed next. They are opened and completed in order. */
  private async firstOpen(arn: string, inbox: string): Promise<string | undefined> {
    const over = new Set<string>()
    let first: string | undefined
    for await (const event of this.records.events(arn, { reverse: true })) {
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
