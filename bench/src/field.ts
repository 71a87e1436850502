/** Contenders side by side on the same work. One that fails leaves the field with its reason; the others go on. */
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { figure } from './report.ts'
import type { Rounds } from './rounds.ts'
import { interleave } from './rounds.ts'
import type { Answer } from './serve-steps.ts'
import { Session } from './session.ts'

export class Field {
  /** Why who is not there, or not to the end. */
  readonly absent: Map<string, string> = new Map()
  private readonly sessions: Map<string, Session> = new Map()

  static async open(names: readonly string[], shape: StepShape): Promise<Field> {
    const field = new Field()
    for (const name of names) {
      const { title } = contender(name)
      await field.attempt(name, async () => {
        field.sessions.set(name, await Session.open(name, title, shape))
      })
    }
    return field
  }

  get present(): readonly string[] {
    return [...this.sessions.keys()]
  }

  async each(work: (session: Session) => Promise<unknown>): Promise<void> {
    for (const [name, session] of this.sessions) await this.attempt(name, () => work(session))
  }

  /** One answer of each before the rounds; who is slower than that has had it, and takes no part in them. */
  async warmUp(work: (session: Session) => Promise<Answer>, patienceMs: number): Promise<void> {
    await this.each(async (session) => {
      const { ms, stepMs } = await work(session)
      if (ms <= patienceMs) return
      const rate = figure((stepMs.length / ms) * 1_000)
      throw new Error(`its first round took ${figure(ms / 1_000)} s (${rate} steps/s), too long for more of them`)
    })
  }

  /** The answers of who has come through all rounds. */
  async rounds(work: (session: Session) => Promise<Answer>, rounds: Rounds): Promise<Map<string, readonly Answer[]>> {
    const names = this.present
    const blocks = names.map((name) => async () => {
      const session = this.sessions.get(name)
      return session && this.attempt(name, () => work(session))
    })
    const answers = await interleave(blocks, rounds)
    return new Map(
      names.flatMap((name, index) => {
        const own = (answers[index] ?? []).filter((answer) => answer !== undefined)
        return this.sessions.has(name) ? [[name, own] as const] : []
      }),
    )
  }

  /** Ends all; how many steps were counted in what they have recorded. */
  async close(): Promise<number> {
    let counted = 0
    await this.each(async (session) => {
      counted += await session.close()
    })
    return counted
  }

  /** For the notes of a section. */
  get absences(): readonly string[] {
    return [...this.absent].map(([name, reason]) => `**${contender(name).title}** is missing here: ${reason}.`)
  }

  private async attempt<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.absent.set(name, error instanceof Error ? error.message : String(error))
      this.sessions.get(name)?.kill()
      this.sessions.delete(name)
      return undefined
    }
  }
}
