/** Plays a case to its end: sends its signals and its cancel, and answers what a run waits for without end. */
import type { Json } from '@selvage/core'
import type { Case } from './case.ts'
import type { Outside } from './outside.ts'
import type { Stage } from './stage.ts'

/** Turns after which a run that has not ended is stuck. */
const PATIENCE = 5_000
const LOOK_EVERY = 20

export class Performance {
  private readonly each: Case
  private readonly stage: Stage
  private readonly outside: Outside

  constructor(each: Case, stage: Stage, outside: Outside) {
    this.each = each
    this.stage = stage
    this.outside = outside
  }

  /** The run `r` and its children, which may begin when it has ended; an error says which of them does not end. */
  async play(): Promise<readonly string[]> {
    const { plan } = this.each
    await this.stage.engine.start('r', { program: 'plan', input: plan as unknown as Json })
    void this.send()
    const ended = new Set<string>()
    const next = (): string | undefined => this.runIds().find((runId) => !ended.has(runId))
    for (let runId = next(); runId !== undefined; runId = next()) {
      await this.finish(runId)
      ended.add(runId)
    }
    return [...ended]
  }

  private runIds(): readonly string[] {
    return [...new Set(['r', ...this.outside.sights.map(({ runId }) => runId)])]
  }

  private async send(): Promise<void> {
    const { signals, cancelAfter } = this.each
    const { engine } = this.stage
    const sent: Promise<unknown>[] = signals.map(async ({ after, name, again = false }, index) => {
      await this.stage.pass(after)
      await engine.signal('r', { id: again && index > 0 ? 's0' : `s${index}`, name, payload: index })
    })
    if (cancelAfter !== undefined) sent.push(this.stage.pass(cancelAfter).then(() => engine.cancel('r', 'enough')))
    // The run may have ended before.
    await Promise.allSettled(sent)
  }

  private async finish(runId: string): Promise<void> {
    let over = false
    const ended = this.stage.ended(runId).finally(() => {
      over = true
    })
    ended.catch(() => {})
    for (let turn = 0; !over; turn += LOOK_EVERY) {
      if (turn > PATIENCE) throw new Error(`${runId} is stuck`)
      await this.stage.pass(LOOK_EVERY)
      for (const each of this.runIds()) await this.answer(each, turn)
    }
    await ended
  }

  private async answer(runId: string, turn: number): Promise<void> {
    const { engine } = this.stage
    const { status, waitsFor } = await engine.describe(runId)
    if (status !== 'suspended' || waitsFor === undefined || waitsFor.until !== undefined) return
    const name = waitsFor.signals.find((each) => !each.startsWith('child:'))
    if (name === undefined) return
    const id = name.startsWith('ap_') ? name : `answer ${turn}`
    await engine.signal(runId, { id, name, payload: { turn } }).catch(() => {})
  }
}
