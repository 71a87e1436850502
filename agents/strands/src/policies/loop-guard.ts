/**
 * The loop guard: an agent that makes the same call again and again and learns nothing from it.
 *
 * Calls are told apart by tool and input. Of each call it is known what it gave last and how often in succession, so a
 * call counts anew once it gives something else; other calls in between change nothing (A, B, A, B is a loop too). When a
 * call has given the same `repeats` times, the next one is not made before it is decided. All of it follows from the
 * journal: the steps of tools, and a `loop#…` state where somebody has let the agent go on, or it was stopped (a retry of
 * the run begins the count of that call anew). The cost is a hash of each result, and a pass over the journal at a resume.
 */
import { decode, type Entry, type OptionNames, RunError, refuseUnknown, UsageError } from '@selvage/core'
import { type ApprovalAnswer, type ApprovalPolicy, checkApproval, requestApproval } from '@selvage/programs'
import { errorRecord, type ToolRecord } from '../conversation/record.ts'
import type { Scope } from '../gates/scope.ts'

export interface LoopGuardOptions {
  /** So often may a call give the same result in succession; at least 1. */
  readonly repeats: number
  /**
   * What becomes of the next one. `ask` (default): somebody is asked; a yes makes the call and counts anew, a no is told to
   * the model. `tell-model`: the model is told instead of the call. `stop`: the run fails with LOOP_DETECTED.
   */
  readonly onLoop?: 'ask' | 'stop' | 'tell-model'
  /** For `ask`: whom, for how long, with which reminders. As for approvals. */
  readonly ask?: Omit<ApprovalPolicy, 'quorum' | 'of'>
}

export interface ReadyLoopGuard {
  readonly repeats: number
  readonly onLoop: 'ask' | 'stop' | 'tell-model'
  readonly ask: NonNullable<LoopGuardOptions['ask']>
}

const OPTIONS: OptionNames<LoopGuardOptions> = { repeats: true, onLoop: true, ask: true }

/** UsageError BAD_INPUT for what makes no sense. */
export function readLoopGuard(options: LoopGuardOptions | undefined): ReadyLoopGuard | undefined {
  if (options === undefined) return undefined
  refuseUnknown('loopGuard', options, OPTIONS)
  const { repeats, onLoop = 'ask', ask = {} } = options
  if (!(Number.isSafeInteger(repeats) && repeats >= 1)) {
    throw bad(`repeats: ${String(repeats)}`, 'Give a whole number of at least 1, such as 3.')
  }
  if (onLoop !== 'ask' && onLoop !== 'stop' && onLoop !== 'tell-model') {
    throw bad(`onLoop: "${String(onLoop)}"`, 'Use ask, stop or tell-model.')
  }
  if (options.ask !== undefined && onLoop !== 'ask') throw bad(`ask with onLoop: '${onLoop}'`, 'Leave ask out.')
  checkApproval('loopGuard', ask)
  return { repeats, onLoop, ask }
}

function bad(problem: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', `loopGuard has ${problem}.`, { hint })
}

/** A call that is about to be made. */
export interface GuardedCall {
  /** Of its step. */
  readonly key: string
  readonly tool: string
  readonly input: unknown
  readonly check: string
}

const STATE = 'loop#'

export class LoopGuard {
  readonly #scope: Scope
  readonly #options: ReadyLoopGuard
  /** By check. */
  readonly #calls = new Map<string, { result: string; count: number }>()
  /** Keys of steps that are counted. */
  readonly #seen = new Set<string>()
  #decisions = 0

  /** `entries`: of the scope, as they were when this process went on with the run. */
  constructor(scope: Scope, options: ReadyLoopGuard, entries: readonly Entry[]) {
    this.#scope = scope
    this.#options = options
    const tools = scope.key('tool:')
    const states = scope.key(STATE)
    for (const entry of entries) {
      if (entry.type === 'step' && entry.key.startsWith(tools) && 'ok' in entry.outcome) {
        this.saw(entry.key, entry.op.check ?? '', decode(entry.outcome.ok) as ToolRecord)
      }
      if (entry.type !== 'state' || !entry.key.startsWith(states)) continue
      this.#decisions++
      this.#calls.delete(String(entry.patch.check))
    }
  }

  /** A call has its result. */
  saw(key: string, check: string, { content, status }: ToolRecord): void {
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    const result = this.#scope.durable.id('', JSON.stringify([content, status])).slice(0, 16)
    const known = this.#calls.get(check)
    if (known?.result === result) known.count++
    else this.#calls.set(check, { result, count: 1 })
  }

  /** What the model is told in place of the call, if it is not to be made. Rejects with LOOP_DETECTED. */
  async instead(call: GuardedCall): Promise<ToolRecord | undefined> {
    const { repeats, onLoop } = this.#options
    const count = this.#calls.get(call.check)?.count ?? 0
    if (count < repeats || this.#seen.has(call.key) || this.#scope.hasStep(call.key)) return undefined
    if (onLoop === 'tell-model') return errorRecord(toldOf(call, count))
    if (onLoop === 'stop') throw this.#stopped(call, count)
    const answer = await this.#ask(call, count)
    if (!answer.approved) return errorRecord(`${toldOf(call, count)} ${answer.reason}`)
    this.#forget(call)
    return undefined
  }

  #stopped(call: GuardedCall, count: number): RunError {
    const { runId } = this.#scope.durable
    this.#forget(call)
    const error = new RunError(
      'LOOP_DETECTED',
      `Run ${runId} has called ${call.tool} ${count} times with the same input, and got the same result each time.`,
      {
        hint: 'Look at the tool and the prompt, then retry the run: the count of that call begins anew.',
        details: { runId, step: call.key, tool: call.tool, input: call.input, repeats: count },
      },
    )
    this.#scope.fail(error)
    return error
  }

  #ask({ tool, input, check }: GuardedCall, repeats: number): Promise<ApprovalAnswer> {
    const { durable, asking } = this.#scope
    const key = this.#scope.key(`loop:${check}@${this.#decisions + 1}`)
    const answers = { approve: 'the call is made, and counted anew', reject: 'the model is told the reason' }
    const details = {
      runId: durable.runId,
      repeats,
      loop: `${repeats} times the same call with the same result`,
      answers,
    }
    return requestApproval(asking, key, `loop of ${tool}`, {
      ...this.#options.ask,
      tool,
      input: input as never,
      details,
    })
  }

  #forget({ check }: GuardedCall): void {
    this.#calls.delete(check)
    void this.#scope.durable.state(this.#scope.key(`${STATE}${++this.#decisions}`), { check })
  }
}

function toldOf({ tool }: GuardedCall, count: number): string {
  return `${tool} was not called: the same call gave the same result ${count} times. Go on with what you know, or try something else.`
}
