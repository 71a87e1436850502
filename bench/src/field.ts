/**
 * Contenders side by side on the same work, in the time there is. One that fails leaves the field with its reason; the
 * others go on. Who is not open when nearly half of the time is over does not take part.
 */
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { interleave, type Rounds } from './rounds.ts'
import type { Answer } from './serve-steps.ts'
import { Session } from './session.ts'

const SHARE = { open: 0.4, warm: 0.6 }

export class Field {
  /** Why who is not there, or not to the end. */
  private readonly absent: Map<string, string> = new Map()
  private readonly sessions: Map<string, Session> = new Map()
  private readonly from: number = performance.now()
  private readonly until: number

  static async open(names: readonly string[], shape: StepShape, until: number): Promise<Field> {
    const field = new Field(until)
    for (const name of names) {
      if (field.isOver(SHARE.open)) field.leave(name, 'no time was left to begin it')
      else
        await field.attempt(name, async () => {
          field.sessions.set(name, await Session.open(name, contender(name).title, shape))
        })
    }
    return field
  }

  private constructor(until: number) {
    this.until = until
  }

  /** `work` again and again, so many times or so long. */
  async warmUp(work: (session: Session) => Promise<Answer>, times: number, ms: number): Promise<void> {
    for (const [name, session] of this.sessions) {
      const enough = performance.now() + ms
      for (let n = 0; n < times && performance.now() < enough && !this.isOver(SHARE.warm); n++) {
        if ((await this.attempt(name, () => work(session))) === undefined) break
      }
    }
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

  /** The answers of who has come through all rounds. */
  async rounds(work: (session: Session) => Promise<Answer>, rounds: Rounds): Promise<Map<string, readonly Answer[]>> {
    const names = [...this.sessions.keys()]
    const answered = new Map<string, Answer[]>()
    const blocks = names.map((name) => async () => {
      const session = this.sessions.get(name)
      if (session === undefined) return
      if (this.isOver(1)) {
        if (!answered.has(name)) this.leave(name, 'no time was left for a round')
        return
      }
      const answer = await this.attempt(name, () => work(session))
      if (answer !== undefined) answered.set(name, [...(answered.get(name) ?? []), answer])
    })
    await interleave(blocks, { ...rounds, until: this.until })
    return new Map(
      names.flatMap((name) => (this.sessions.has(name) ? [[name, answered.get(name) ?? []] as const] : [])),
    )
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
