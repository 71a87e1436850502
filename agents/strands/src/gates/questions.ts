/**
 * Between the interrupts of the SDK and the questions of the journal.
 *
 * A question's key tells which interrupt it stands for, so that an answer can be given under either name: by the id of
 * the question from any process, or by the id of the interrupt to `agent.invoke([{ interruptResponse }])`. Decisions of
 * our own policy (approve a call, settle an unknown outcome) look to the SDK like interrupts of a middleware.
 */
import { encode, type Json, type Question, RunError, type SignalReceipt, UsageError } from '@selvage/core'
import { type AskedInterrupt, askInterrupt } from '@selvage/programs'
import type { InterruptResponseContentData } from '@strands-agents/sdk'
import { type HookAnswer, type InterruptJson, isHookInterrupt, resumeInterrupts } from '../seams/interrupts.ts'
import { localKey } from '../turns/frames.ts'
import type { Unanswered } from './asking.ts'
import type { Scope } from './scope.ts'

const INTERRUPT_KEY = /^interrupt:(.+)@\d+(?:~\d+)?$/s
const APPROVE_KEY = /^approve:(.+)@\d+(?:=[\w-]+)?(?:\/\d+)?$/s
const UNKNOWN_KEY = /^tool:(.+)@\d+(?:~\d+)?(?:\/again#\d+)?\/unknown(?:\/\d+)?$/s

export function interruptKey(interruptId: string, cycle: number, ask: string): string {
  return `interrupt:${interruptId}@${cycle}${ask}`
}

export function approveKey(toolUseId: string, cycle: number): string {
  return `approve:${toolUseId}@${cycle}`
}

/** The id under which the SDK knows a question, of this agent or of one inside of it. */
export function interruptIdOf(key: string): string | undefined {
  const local = localKey(key)
  const interrupt = INTERRUPT_KEY.exec(local)
  if (interrupt !== null) return interrupt[1]
  const approve = APPROVE_KEY.exec(local)
  if (approve !== null) return policyInterruptId(approve[1] as string, 'approval')
  const unknown = UNKNOWN_KEY.exec(local)
  return unknown === null ? undefined : policyInterruptId(unknown[1] as string, 'unknown')
}

function policyInterruptId(toolUseId: string, what: string): string {
  return `middleware:executeTool:${toolUseId}:${what}`
}

/** An open question as an interrupt for the SDK. */
export function policyInterrupt(scope: Scope, { key }: Unanswered): InterruptJson {
  const question = scope.fold.questions.get(key)
  const id = interruptIdOf(key) ?? question?.id ?? key
  return {
    id,
    name: question?.kind ?? 'approval',
    reason: { question: question?.id, ...(question !== undefined && shown(question)) } as never,
    source: 'middleware',
  }
}

function shown({ tool, input, reason, assignee, expiresAt, quorum }: Question): { readonly [part: string]: unknown } {
  const parts = { tool, input, reason, assignee, expiresAt, quorum }
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))
}

// ── interrupts that the SDK reports at the end of an invocation ─────────────────────────────────────────────────────

interface HookQuestion {
  readonly interrupt: InterruptJson
  readonly key: string
  readonly asked: AskedInterrupt
}

/**
 * Asks what the interrupts of hooks ask, which no gate has seen. Those that a gate raised are asked already. A hook that
 * runs again after a resume raises its interrupt again: that is the same question, answered or not.
 */
async function askForHooks(scope: Scope, interrupts: readonly InterruptJson[]): Promise<HookQuestion[]> {
  const fromHooks = interrupts.filter(({ id }) => !scope.raised.has(id))
  return await Promise.all(
    fromHooks.map(async (interrupt) => {
      const { id, name, reason } = interrupt
      const key = scope.key(interruptKey(id, scope.conversation.cycle, ''))
      const asked = await askInterrupt(scope.durable, key, {
        name,
        ...(reason !== undefined && { reason: encode(reason, `the reason of interrupt ${name}`) }),
      })
      scope.opened(key, asked.question)
      return { interrupt, key, asked }
    }),
  )
}

/** Responses to give to the loop at once, or nothing: the invocation ends with the interrupts open. */
export async function responsesTo(
  scope: Scope,
  interrupts: readonly InterruptJson[],
): Promise<readonly InterruptResponseContentData[] | undefined> {
  const asked = await askForHooks(scope, interrupts)
  if (!scope.waits) {
    const isOpen = ({ key, asked }: HookQuestion): boolean => !scope.isAnswered(key, asked.question.id)
    if (asked.some(isOpen)) await scope.caughtUp()
    if (scope.raised.size > 0 || asked.some(isOpen)) return undefined
  }
  const responses = await Promise.all(
    asked.map(async ({ interrupt, asked }) => ({
      interruptResponse: { interruptId: interrupt.id, response: (await asked.wait()) as never },
    })),
  )
  resumeInterrupts(scope.agent, responses)
  return responses
}

/**
 * What hooks have asked in the cycle that is gone on with, as far as it is answered: they need not stop there again. Of this
 * agent: what agents inside of it have asked they ask for themselves, and nobody else may have taken the answer.
 */
export async function answeredHooks(scope: Scope): Promise<HookAnswer[]> {
  const answered = [...scope.fold.questions].flatMap(([key, { id: questionId, name, reason }]) => {
    const id = key === scope.key(localKey(key)) ? interruptIdOf(key) : undefined
    if (id === undefined || !isHookInterrupt(id) || !scope.isAnswered(key, questionId)) return []
    return [{ key, interrupt: { id, name: name ?? id, source: 'hook' as const }, reason }]
  })
  return await Promise.all(
    answered.map(async ({ key, interrupt, reason }) => {
      const asked = await askInterrupt(scope.durable, key, { name: interrupt.name, reason })
      return { interrupt, response: (await asked.wait()) as HookAnswer['response'] }
    }),
  )
}

// ── answers that an invocation brings ───────────────────────────────────────────────────────────────────────────────

/**
 * Sends `interruptResponse` blocks as the answers of the open questions they belong to. The first answer of anybody stands.
 * `isOpen`: so is the turn that is to be made.
 */
export async function answerOpen(
  scope: Scope,
  responses: readonly InterruptResponseContentData[],
  isOpen: boolean,
): Promise<void> {
  const { runId } = scope.durable
  if (!isOpen) {
    throw new UsageError('BAD_INPUT', `Run ${runId} has no interrupt that is open.`, {
      hint: 'Invoke the agent with a new input.',
      details: { runId },
    })
  }
  for (const { interruptResponse } of responses) {
    const { interruptId, response } = interruptResponse
    const [key, question] = [...scope.fold.questions].findLast(([key]) => interruptIdOf(key) === interruptId) ?? []
    if (key === undefined || question === undefined) {
      throw new UsageError('BAD_INPUT', `Run ${runId} has no open interrupt "${interruptId}".`, {
        hint: 'Invoke the agent with the input of the turn first: its result lists the interrupts that are open.',
        details: { runId, interruptId },
      })
    }
    if (question.quorum !== undefined) {
      throw new UsageError('BAD_INPUT', `Interrupt "${interruptId}" is decided by several people.`, {
        hint: `Each of ${question.quorum.of.join(', ')} answers by run.approve('${question.id}', { by }) or reject.`,
        details: { runId, interruptId, id: question.id },
      })
    }
    const payload = payloadOf(question, encode(response, `the response to interrupt ${interruptId}`))
    const signal = { id: question.id, name: question.id, payload, by: 'agent.invoke' }
    const receipt: SignalReceipt = await scope.durable.outbound.signal(runId, signal)
    if (!receipt.accepted && JSON.stringify(receipt.first.payload) !== JSON.stringify(payload)) {
      const { by, at } = receipt.first
      throw new RunError(
        'ALREADY_ANSWERED',
        `Interrupt "${interruptId}" of run ${runId} was answered before${by === undefined ? '' : ` by ${by}`}.`,
        {
          hint: 'Invoke the agent with the input of the turn: it goes on with the first answer.',
          details: { runId, id: question.id, by, at, value: receipt.first.payload },
        },
      )
    }
    scope.answeredHere.add(question.id)
  }
}

/** A response as the answer that the question's form wants: for decisions `true`, `'approve'` and the like approve. */
function payloadOf(question: Question, response: Json): Json {
  if (question.kind === 'interrupt' || question.kind === 'callback') return { value: response }
  if (typeof response === 'object' && response !== null && 'approved' in response) return response
  const approved =
    response === true || (typeof response === 'string' && /^(y|yes|ok|approved?|true)$/i.test(response.trim()))
  return approved ? { approved } : { approved, ...(typeof response === 'string' && { reason: response }) }
}
