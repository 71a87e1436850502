/**
 * Interventions before a call of a tool, which may ask a person about it.
 *
 * They run in a hook, so they run again when a run goes on; what they have asked is in the journal, and what they remember
 * is not. A handler that decides otherwise the second time would let a call run that a person has refused. Therefore:
 *
 *   asked about this call    ─▶ it is asked about, whatever the handler says today, in the words that were shown: the answer
 *                               counts, and without one the question stays open
 *   a classifier's verdict   ─▶ recorded, and given again: `hook:beforeToolCall:<handler>@<cycle>:<tool use id>`
 *   an answer by `ask`       ─▶ recorded, and given again: `hook:beforeToolCall:<handler>/ask@<cycle>:<tool use id>`
 *
 * The classifier itself runs outside of the step that records what it said, so that the calls of its model are steps of
 * their own (beyond.ts), with their tokens. One that fails has said nothing: the handler then asks a person.
 */
import { type Question, UnrecordedError } from '@selvage/core'
import {
  type Agent,
  type BeforeToolCallEvent,
  InterventionActions,
  type InterventionHandler,
  type JSONValue,
} from '@strands-agents/sdk'
import { interruptKey } from '../gates/questions.ts'
import type { Scope } from '../gates/scope.ts'
import { confirmId, type HumanInside, humanInside, interventionsOf, type Verdict } from '../seams/interventions.ts'
import { invocationNow } from '../turns/within.ts'

const gated = new WeakSet<InterventionHandler>()

/** Puts the gate before the interventions of an agent; once for each handler, for good. */
export function gateInterventions(agent: Agent): void {
  for (const handler of interventionsOf(agent)) {
    if (gated.has(handler) || !Object.isExtensible(handler)) continue
    gated.add(handler)
    const decide = handler.beforeToolCall.bind(handler)
    handler.beforeToolCall = (event) => {
      const scope = scopeOf(event)
      return scope === undefined ? decide(event) : decided(scope, handler, decide, event)
    }
    const human = humanInside(handler)
    if (human !== undefined) gateHuman(human)
  }
}

/** The scope that the call is made in. */
function scopeOf({ agent }: BeforeToolCallEvent): Scope | undefined {
  const scope = invocationNow()?.scope
  return scope?.agent === agent ? scope : undefined
}

// ── what was asked ──────────────────────────────────────────────────────────────────────────────────────────────────

type Decide = InterventionHandler['beforeToolCall']
type Action = Awaited<ReturnType<Decide>>

async function decided(
  scope: Scope,
  handler: InterventionHandler,
  decide: Decide,
  event: BeforeToolCallEvent,
): Promise<Action> {
  const asked = askedAbout(scope, handler, event)
  if (asked === undefined) return await decide(event)
  const prompt = typeof asked.reason === 'string' ? asked.reason : ''
  const action = await unlessPassedOver(handler, () => decide(event))
  if (action.type === 'confirm') return { ...action, prompt }
  if (action.type === 'transform') action.apply(event)
  return action.type === 'transform' || action.type === 'proceed' ? InterventionActions.confirm(prompt) : action
}

/** The registry goes on without a handler that fails and says so. */
async function unlessPassedOver({ onError }: InterventionHandler, decide: () => ReturnType<Decide>): Promise<Action> {
  try {
    return await decide()
  } catch (error) {
    if (onError === 'proceed') return InterventionActions.proceed()
    throw error
  }
}

/** What a handler has asked about a call in this cycle, in whatever process. */
function askedAbout(
  scope: Scope,
  { name }: { readonly name: string },
  event: BeforeToolCallEvent,
): Question | undefined {
  const id = confirmId(name, event.toolUse.toolUseId)
  return scope.fold.questions.get(scope.key(interruptKey(id, scope.conversation.cycle, '')))
}

// ── what a HumanInTheLoop remembers ─────────────────────────────────────────────────────────────────────────────────

function gateHuman(human: HumanInside): void {
  const requires = human._requiresApproval.bind(human)
  human._requiresApproval = async (event) => {
    const scope = scopeOf(event)
    if (scope === undefined) return await requires(event)
    // Whatever somebody has said of the tool since: an answer to this call is an answer to this call.
    if (askedAbout(scope, human, event) !== undefined) return { requiresHumanInTheLoop: true }
    try {
      return await requires(event)
    } finally {
      // The journal remembers it.
      human._classifiedToolUseIds.delete(event.toolUse.toolUseId)
    }
  }
  const { _classifier: classify, _ask: ask } = human
  if (classify !== undefined) {
    human._classifier = (event) => {
      const scope = scopeOf(event)
      return scope === undefined ? classify(event) : classified(scope, human, event, () => classify(event))
    }
  }
  if (ask !== undefined) {
    human._ask = (prompt) => {
      const { scope, call } = invocationNow() ?? {}
      return scope === undefined || call === undefined ? ask(prompt) : answered(scope, human, call, () => ask(prompt))
    }
  }
}

function classified(
  scope: Scope,
  { name }: HumanInside,
  { toolUse }: BeforeToolCallEvent,
  classify: () => Verdict | Promise<Verdict>,
): Promise<Verdict> {
  const key = keyOf(scope, name, toolUse.toolUseId)
  const op = { key, kind: 'code', name: `${name} classifier`, effect: 'read' } as const
  return once(scope, key, async () => {
    if (scope.hasStep(key)) {
      return await scope.durable.step<Verdict>(op, () => {
        throw new Error(`The verdict ${key} is recorded.`)
      })
    }
    const verdict = await classify()
    // What is none the handler knows how to take.
    if (typeof verdict?.requiresHumanInTheLoop !== 'boolean') return verdict
    const { requiresHumanInTheLoop, reason } = verdict
    return await scope.durable.step(op, () => ({ requiresHumanInTheLoop, ...(reason !== undefined && { reason }) }))
  })
}

function answered(scope: Scope, { name }: HumanInside, call: string, ask: () => Promise<unknown>): Promise<JSONValue> {
  const key = keyOf(scope, `${name}/ask`, call)
  return once(scope, key, async () => {
    try {
      return await scope.durable.step({ key, kind: 'code', name: `${name} ask` }, async () => {
        try {
          return (await ask()) as JSONValue
        } catch (error) {
          throw new UnrecordedError(error)
        }
      })
    } catch (error) {
      throw error instanceof UnrecordedError ? error.cause : error
    }
  })
}

function keyOf(scope: Scope, name: string, toolUseId: string): string {
  return scope.key(`hook:beforeToolCall:${name}@${scope.conversation.cycle}:${toolUseId}`)
}

/** A hook that asks to call the tool again has its interventions run again: what was decided of the call stands. */
function once<T>({ decisions }: Scope, key: string, make: () => Promise<T>): Promise<T> {
  const before = decisions.get(key) as Promise<T> | undefined
  if (before !== undefined) return before
  const made = make()
  decisions.set(key, made)
  made.catch(() => decisions.delete(key))
  return made
}
