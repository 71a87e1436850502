/** Usage, cost and budgets in words; and the command that gives a budget more. */
import { RunError, UsageError } from '@selvage/core'
import type { Limits, PotState, Run, RunUsage, Selvage } from 'selvage/core'
import { findRun } from './find.ts'
import type { Session } from './session.ts'
import { brief, plural, took } from './words.ts'

type Fact = readonly [string, string]

/** What `show` says of a run that has called models or has a budget. */
export function moneyFacts(usage: RunUsage, tree: RunUsage | undefined, budget: readonly PotState[] = []): Fact[] {
  const facts: Fact[] = []
  if (usage.calls > 0) facts.push(['used', used(usage)])
  if (tree !== undefined && tree.calls > usage.calls) facts.push(['with all runs below it', used(tree)])
  for (const pot of budget) facts.push([`budget ${brief(pot.id, 100)}`, limitsOf(pot).join(', ')])
  return facts
}

export function used(usage: RunUsage): string {
  const tokens = `${number(usage.totalTokens)} tokens in ${plural(usage.calls, 'model call')}`
  return `${tokens}, ${costOf(usage)}`
}

export function costOf({ usd, unpriced }: Pick<RunUsage, 'usd' | 'unpriced'>): string {
  if (usd === undefined) return unpriced.length === 0 ? '' : `no price for ${brief(unpriced.join(', '), 80)}`
  return unpriced.length === 0 ? dollars(usd) : `${dollars(usd)} and what ${brief(unpriced.join(', '), 80)} cost`
}

/** The limit of which the least is left: for lists. */
export function fullest(pot: PotState): string {
  const parts = Object.entries(pot.limits).map(([name, { cap, left }]) => ({
    name,
    part: cap === 0 ? 1 : 1 - left / cap,
    text: amount(name, cap),
  }))
  const [worst] = parts.toSorted((one, other) => other.part - one.part)
  return worst === undefined ? '' : `${Math.round(worst.part * 100)}% of ${worst.text}`
}

function limitsOf({ limits }: PotState): string[] {
  return Object.entries(limits).map(([name, { cap, spent, reserved, left }]) => {
    const held = reserved > 0 ? `, ${amount(name, reserved)} reserved` : ''
    return `${amount(name, spent)} of ${amount(name, cap)} spent${held}, ${amount(name, left)} left`
  })
}

function amount(limit: string, value: number): string {
  if (limit === 'usd') return dollars(value)
  if (limit === 'wallClock') return took(value)
  if (limit === 'tokens') return `${number(value)} tokens`
  return `${number(value)} ${limit === 'modelCalls' ? 'model calls' : 'tool calls'}`
}

function dollars(usd: number): string {
  return `$${usd.toFixed(usd !== 0 && usd < 1 ? 4 : 2)}`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

export interface RaiseOptions {
  readonly tokens?: number
  readonly usd?: number
  readonly modelCalls?: number
  readonly toolCalls?: number
  readonly wallClock?: string
  readonly id?: string
}

/** `selvage raise`: a run by its id, or a pot by its own (`tenant:acme`). */
export async function raise({ selvage, output, again }: Session, target: string, options: RaiseOptions): Promise<void> {
  const { id, tokens, usd, modelCalls, toolCalls, wallClock } = options
  const given = Object.entries({ tokens, usd, modelCalls, toolCalls, wallClock }).filter(([, by]) => by !== undefined)
  if (given.length === 0) {
    throw new UsageError('BAD_INPUT', 'selvage raise was not told by how much.', {
      hint: 'Give --tokens, --usd, --model-calls, --tool-calls or --wall-clock.',
    })
  }
  const by = Object.fromEntries(given) as Limits
  const once = id === undefined ? {} : { id }
  const run = await runOf(selvage, target)
  const pot = run === undefined ? await selvage.raiseBudget(target, by, once) : await run.raiseBudget(by, once)
  if (output.json) return output.document(pot)
  output.line(`${pot.id}: ${limitsOf(pot).join(', ')}.`)
  const status = run === undefined ? undefined : (await run.status()).status
  if (run !== undefined && status === 'failed') output.note(`To let it go on: selvage retry ${run.id}${again}`)
}

/** A run may be called as a pot is. */
async function runOf(selvage: Selvage, target: string): Promise<Run | undefined> {
  if (!/^(?:run|tenant):/.test(target)) return await findRun(selvage, target)
  if ((await selvage.pot(target)) !== undefined) return undefined
  if (!target.startsWith('tenant:')) return await findRun(selvage, target)
  throw new RunError('NOT_FOUND', `There is no pot '${target}' in ${selvage.location}.`, {
    hint: "A tenant with a period has a pot for each: 'selvage show' of one of its runs names them.",
    details: { pot: target },
  })
}
