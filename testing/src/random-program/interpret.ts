/**
 * Runs a plan on the gate, as a workflow would: keys are names counted in the order in which they are asked for, and
 * every step's check is the number of things seen before it. So a program that is given its results in another order
 * than before asks for other keys and other checks, and shows it.
 */
import { type Durable, encode, type Json, type Program, type StepContext } from '@selvage/core'
import { turns } from '../turn-engine/hostility.ts'
import type { Outside, Sight } from './outside.ts'
import type { Plan, StepPlan } from './plan.ts'

/** The program `plan`, whose input is the plan, as one process runs it. */
export function planProgram(outside: Outside, process: string, resume: Program['resume'] = 'replay'): Program {
  return {
    name: 'plan',
    resume,
    run: (durable) => new Interpreter(durable, outside, outside.sight(durable.runId, process)).root(),
  }
}

class Interpreter {
  private readonly durable: Durable
  private readonly outside: Outside
  private readonly sight: Sight
  private readonly names = new Map<string, number>()

  constructor(durable: Durable, outside: Outside, sight: Sight) {
    this.durable = durable
    this.outside = outside
    this.sight = sight
  }

  async root(): Promise<unknown> {
    const result = await this.run(this.durable.start.input as unknown as Plan, this.durable)
    return [result, this.sight.seen.length]
  }

  private async run(plan: Plan, durable: Durable): Promise<unknown> {
    switch (plan.do) {
      case 'step':
        return this.step(plan, durable)
      case 'seq': {
        const results: unknown[] = []
        for (const part of plan.of) results.push(await this.run(part, durable))
        return results
      }
      case 'all':
        return Promise.all(plan.of.map((part) => this.run(part, durable)))
      case 'race':
        return Promise.race(plan.of.map((part) => this.run(part, durable)))
      case 'wait':
        return this.wait(this.key(plan.name), plan.name, plan.ms, durable)
      case 'sleep':
        return this.sleep(plan.ms, durable)
      case 'limit':
        return Promise.race([this.run(plan.of, durable), this.sleep(plan.ms, durable)])
      case 'ask':
        return this.ask(plan.ms, durable)
      case 'attempt':
        try {
          return await this.run(plan.of, durable)
        } catch (error) {
          return [String(error), await this.run(plan.otherwise, durable)]
        }
      case 'choose':
        return this.run(this.sight.seen.length % 2 === 0 ? plan.even : plan.odd, durable)
      case 'note':
        return this.note(plan.awaited, durable)
      case 'draw':
        return this.saw('-draw', [durable.random('draw'), durable.id('x_', this.key('id')), durable.now()])
      case 'child':
        return this.child(plan.of, durable)
      case 'pause':
        return turns(plan.turns)
      case 'finally':
        try {
          return await this.run(plan.of, durable)
        } finally {
          await this.run(plan.last, durable.shielded())
        }
    }
  }

  private step(plan: StepPlan, durable: Durable): Promise<unknown> {
    const key = this.key(plan.name)
    const op = {
      key,
      kind: 'code',
      name: plan.name,
      check: String(this.sight.seen.length),
      effect: plan.effect,
    } as const
    const live = async (at: StepContext): Promise<unknown> => {
      const result = await this.outside.perform(plan, at, this.sight)
      return plan.nested ? [result, await durable.step({ ...op, key: 'inner' }, (inner) => inner.attempt)] : result
    }
    const behaviour = {
      retryAfterMs: (_: unknown, attempt: number) => (attempt <= plan.retries ? plan.retryMs : undefined),
      ...(plan.reconcile && {
        reconcile: async ({ idempotencyKey }: { idempotencyKey: string }) => {
          const found = await this.outside.reconcile(idempotencyKey)
          return plan.nested && found.done ? { done: true as const, result: [found.result, 1] } : found
        },
      }),
    }
    return this.given('step', key, durable, durable.step(op, live, behaviour))
  }

  private async wait(key: string, name: string, ms: number | undefined, durable: Durable): Promise<unknown> {
    const until = ms === undefined ? undefined : durable.clock() + ms
    const result = await this.given('wait', key, durable, durable.wait(key, name, until))
    return result.ok ? result.value : 'too late'
  }

  private sleep(ms: number, durable: Durable): Promise<unknown> {
    const key = this.key('sleep')
    return this.wait(key, `nobody sends ${key}`, ms, durable)
  }

  private async ask(ms: number | undefined, durable: Durable): Promise<unknown> {
    const key = this.key('ask')
    const id = durable.id('ap_', key)
    await this.given('open', key, durable, durable.open(key, { id, kind: 'approval', name: key }))
    return this.wait(key, id, ms, durable)
  }

  private async note(awaited: boolean, durable: Durable): Promise<unknown> {
    const key = this.key('note')
    const noted = this.given('state', key, this.durable, durable.state(key, { seen: this.sight.seen.length }))
    if (awaited) await noted
    return key
  }

  private async child(plan: Plan, durable: Durable): Promise<unknown> {
    const { runId } = this.durable
    const key = this.key('child')
    const childId = `${runId}/${key}`
    const start = { program: 'plan', input: plan as unknown as Json, parent: { runId, key } }
    const begin = async (): Promise<void> => void (await durable.outbound.start(childId, start))
    await this.given('step', key, durable, durable.step({ key, kind: 'child', name: 'plan' }, begin))
    const outcome = await this.wait(key, `child:${childId}`, undefined, durable)
    return outcome
  }

  private async given<T>(type: string, key: string, durable: Durable, promise: Promise<T>): Promise<T> {
    // Shielded keys have a space of their own.
    const what = `${type} ${durable === this.durable ? '' : '$cancel/'}${key}`
    const cancel = this.durable.abortSignal.aborted ? '-refused' : '$cancel'
    try {
      const value = await promise
      this.saw(what, value)
      return value
    } catch (error) {
      const cancelled = error instanceof Error && error.name === 'AbortError'
      this.saw(cancelled ? cancel : what, String(error))
      throw error
    }
  }

  private saw<T>(what: string, value: T): T {
    this.sight.seen.push({ what, value: JSON.stringify(encode(value, what)) })
    return value
  }

  private key(name: string): string {
    const count = (this.names.get(name) ?? 0) + 1
    this.names.set(name, count)
    return count === 1 ? name : `${name}#${count}`
  }
}
