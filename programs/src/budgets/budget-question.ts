/**
 * Asking somebody for more, under one key for each time that a step was refused. The answer is in the journal; the raise
 * goes by the id of the question, so that it counts once, whoever comes upon the answer and how often.
 */
import {
  type Caps,
  capOf,
  type Durable,
  decode,
  type Json,
  type JsonObject,
  type Money,
  QUANTITIES,
  SelvageError,
  UsageError,
} from '@selvage/core'
import { type ApprovalAnswer, requestApproval } from '../people/approval.ts'
import { type Budget, exceeded, factsOf, inUnits, type Limits, limitName, readLimits } from './budget.ts'
import type { Refusal } from './meter.ts'

/** What an answer may raise; also refused to its sender where the engine's outside can check it. */
const RAISE: JsonObject = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: {
    tokens: { type: 'integer', minimum: 1 },
    usd: { type: 'number', exclusiveMinimum: 0 },
    modelCalls: { type: 'integer', minimum: 1 },
    toolCalls: { type: 'integer', minimum: 1 },
    wallClock: { type: ['string', 'integer'] },
  },
}

/** Resolves when it is worth trying again. Rejects with BUDGET_EXCEEDED if somebody said no. `step`: what was refused. */
export async function askForMore(durable: Durable, key: string, step: string, refusal: Refusal): Promise<void> {
  const { pot, lacks, amount } = refusal
  const ask = (pot.ask === undefined ? {} : decode(pot.ask)) as Budget['ask']
  const facts = factsOf(pot, lacks, amount[lacks])
  const again = againOf(refusal)
  for (let round = 1, problem: string | undefined; ; round++) {
    const roundKey = round === 1 ? key : `${key}~${round}`
    const answers = {
      approve: `raises ${facts.limit} by ${inUnits(lacks, again[lacks] ?? 0)}`,
      'approve with an input': `raises the caps by it, such as { "${facts.limit}": ${facts.cap} }`,
      reject: 'the run ends with BUDGET_EXCEEDED',
    }
    const answer = await requestApproval(durable, roundKey, 'budget', {
      ...ask,
      kind: 'budget',
      inputSchema: RAISE,
      details: { ...facts, step, answers, ...(problem !== undefined && { problem }) },
    })
    if (!answer.approved) {
      const who = answer.by === undefined ? '' : ` by ${answer.by}`
      throw exceeded(durable.runId, step, facts, ` More was refused${who}: ${answer.reason}.`)
    }
    const by = raiseOf(answer, again)
    if ('problem' in by) {
      problem = by.problem
      continue
    }
    if (by.caps !== undefined) {
      const { caps } = by
      const { pots } = durable.outbound.money as Money
      const op = { key: `${roundKey}/raise`, kind: 'code', name: 'raise budget' } as const
      await durable.step(op, async () => {
        await pots.raise(pot.id, caps, durable.id('raise_', roundKey))
      })
    }
    return
  }
}

/** What a plain yes adds: the cap once more, and at least what the call needs. */
function againOf({ pot, lacks, amount }: Refusal): Caps {
  const counted = pot.spent[lacks] + pot.reserved[lacks]
  const missing = counted + Math.max(1, amount[lacks]) - (capOf(pot, lacks) ?? 0)
  return { [lacks]: Math.max(pot.caps[lacks] ?? 0, missing) }
}

function raiseOf(
  answer: Extract<ApprovalAnswer, { approved: true }>,
  again: Caps,
): { readonly caps: Caps | undefined } | { readonly problem: string } {
  const given = answer.input ?? answer.value
  if (given === undefined || given === null) return { caps: again }
  // Somebody else has raised the pot meanwhile.
  if (isObject(given) && given.raised === true) return { caps: undefined }
  try {
    return { caps: limitsIn(given) }
  } catch (error) {
    if (!SelvageError.is(error, 'BAD_INPUT')) throw error
    return { problem: `The answer ${JSON.stringify(given)} raises nothing: ${error.message}` }
  }
}

/** UsageError BAD_INPUT for anything but limits, at least one of them above 0. */
export function limitsIn(given: Json): Caps {
  const known = QUANTITIES.map(limitName)
  if (!isObject(given) || Object.keys(given).some((name) => !known.includes(name))) {
    throw new UsageError('BAD_INPUT', `A budget cannot be raised by ${JSON.stringify(given)}.`, {
      hint: `Give one or more of ${known.join(', ')}, such as { "tokens": 10000 }.`,
    })
  }
  const caps = readLimits('A raise', given as Limits)
  if (QUANTITIES.some((quantity) => (caps[quantity] ?? 0) > 0)) return caps
  throw new UsageError('BAD_INPUT', 'A budget was to be raised by nothing.', {
    hint: `Give one or more of ${known.join(', ')}, such as { "tokens": 10000 }.`,
  })
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
