/**
 * Contenders side by side on the same work, in the time there is. One that fails leaves the field with its reason; the
 * others go on.
 */
import { availableParallelism } from 'node:os'
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { interleave, type Rounds } from './rounds.ts'
import type { Answer } from './serve-steps.ts'
import { Session } from './session.ts'

/** Of the time of a field: then it is no longer warmed up. */
const WARM_SHARE = 0.6

/** What one of the field does in each round; who has several turns does each of them. */
export interface Turn {
  readonly name: string
  work(session: Session): Promise<Answer>
}

export interface Played<T extends Turn = Turn> {
  readonly turn: T
  readonly answers: readonly Answer[]
}

export class Field {
  /** Why who is not there, or not to the end. */
  private readonly absent: Map<string, string> = new Map()
  private readonly sessions: Map<string, Session> = new Map()
  private readonly from: number = performance.now()
  private readonly until: number

  /** All at once: a start is not timed. */
  static async open(names: readonly string[], shape: StepShape, until: number): Promise<Field> {
    const field = new Field(until)
    const opened = new Map<string, Session>()
    const open = async (name: string): Promise<void> => {
      opened.set(name, await Session.open(name, contender(name).title, shape))
    }
    await Promise.all(names.map((name) => field.attempt(name, () => open(name))))
    for (const name of names) {
      const session = opened.get(name)
      if (session !== undefined) field.sessions.set(name, session)
    }
    return field
  }

  private constructor(until: number) {
    this.until = until
  }

  /** `work` once, and again so many times or so long, on each processor one at a time; what each gave last. */
  async warmUp(
    work: (session: Session) => Promise<Answer>,
    times: number,
    ms: number,
  ): Promise<ReadonlyMap<string, Answer>> {
    const last = new Map<string, Answer>()
    const waiting = [...this.sessions]
    const next = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        const [name, session] = one
        const enough = performance.now() + ms
        for (let n = 0; n < times && (n === 0 || (performance.now() < enough && !this.isOver(WARM_SHARE))); n++) {
          const answer = await this.attempt(name, () => work(session))
          if (answer === undefined) break
          last.set(name, answer)
        }
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, next))
    return last
  }

  get names(): readonly string[] {
    return [...this.sessions.keys()]
  }

  /** Once with each, while there is time. */
  async each(work: (session: Session, name: string) => Promise<unknown>): Promise<void> {
    for (const [name, session] of this.sessions) {
      if (!this.isOver(1)) await this.attempt(name, () => work(session, name))
    }
  }

  /** Out of the field, for a reason. */
  leave(name: string, reason: string): void {
    this.absent.set(name, reason)
    this.sessions.get(name)?.kill()
    this.sessions.delete(name)
  }

  /** Who has come through all rounds, with the answers. */
  async rounds<T extends Turn>(turns: readonly T[], rounds: Rounds): Promise<readonly Played<T>[]> {
    const played = turns.map((turn) => ({ turn, answers: [] as Answer[] }))
    const blocks = played.map(({ turn: { name, work }, answers }) => async () => {
      const session = this.sessions.get(name)
      if (session === undefined) return
      if (this.isOver(1)) {
        if (answers.length === 0) this.leave(name, 'no time was left for a round')
        return
      }
      const answer = await this.attempt(name, () => work(session))
      if (answer !== undefined) answers.push(answer)
    })
    await interleave(blocks, { ...rounds, until: this.until })
    return played.filter(({ turn, answers }) => this.sessions.has(turn.name) && answers.length > 0)
  }

  /** Ends all; how many steps were counted in what they have recorded. */
  async close(): Promise<number> {
    let counted = 0
    for (const [name, session] of this.sessions) {
      await this.attempt(name, async () => {
        counted += await session.close()
      })
    }
    return counted
  }

  /** For the notes of a section. */
  get absences(): readonly string[] {
    return [...this.absent].map(([name, reason]) => `**${contender(name).title}** is missing here: ${reason}.`)
  }

  private isOver(share: number): boolean {
    return performance.now() > this.from + share * (this.until - this.from)
  }

  private async attempt<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.leave(name, error instanceof Error ? error.message : String(error))
      return undefined
    }
  }
}
