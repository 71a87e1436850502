/**
 * What must hold of a run whose processes were killed, checked from outside: on what happened (the ledger) and on what is
 * durable (the journals). Each finding names the invariant that it breaks.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Entry, Outcome } from '@selvage/core'
import type { LedgerLine } from './effects-ledger.ts'
import type { Scenario } from './scenario.ts'
import type { SeenRun, Sight } from './site.ts'

/** What a run comes to when nobody is killed. */
export interface Expected {
  readonly outcome: Outcome | undefined
  readonly extract: unknown
}

export function expectedOf(scenario: Scenario, { runs }: Sight): Expected {
  return { outcome: runs[0]?.outcome, extract: extractOf(scenario, runs) }
}

/** At a moment when `dead` processes work no more: what they did had what it needs, and is not done again. */
export function checkMoment(scenario: Scenario, sight: Sight): string[] {
  return [...sight.runs.flatMap(checkJournal), ...checkNeeds(scenario, sight), ...checkLedger(sight.lines)]
}

/** I1: nothing that was recorded at `before` happened after it. */
export function checkNotAgain(before: Sight, lines: readonly LedgerLine[]): string[] {
  const recorded = new Set(
    before.runs.flatMap(({ runId, entries }) => [...recordedKeys(entries)].map((key) => `${runId} ${key}`)),
  )
  return lines
    .slice(before.lines.length)
    .filter(({ runId, key }) => recorded.has(`${runId} ${key}`))
    .map(({ runId, key, attempt }) => `I1: ${runId} ${key} was recorded and happened again, at attempt ${attempt}`)
}

/** Of a run that has ended: the same as if nobody had been killed, and effects `once` happened once. */
export function checkEnd(scenario: Scenario, expected: Expected, { lines, runs }: Sight): string[] {
  const wrong: string[] = []
  const { ends = 'completed' } = scenario
  for (const [index, { runId, status }] of runs.entries()) {
    if (status !== (index === 0 ? ends : 'completed')) wrong.push(`${runId} is ${status}`)
  }
  if (!isDeepStrictEqual(withoutStacks(runs[0]?.outcome), withoutStacks(expected.outcome))) {
    wrong.push(`the outcome is ${show(runs[0]?.outcome)}, not ${show(expected.outcome)}`)
  }
  const extract = extractOf(scenario, runs)
  if (!isDeepStrictEqual(extract, expected.extract)) wrong.push(`${show(extract)} is not ${show(expected.extract)}`)
  wrong.push(...(scenario.judge?.(lines) ?? []))
  for (const { runId, entries } of runs) {
    for (const entry of entries) {
      if (entry.type !== 'step' || !('ok' in entry.outcome) || entry.op.kind === 'child') continue
      // A step of Selvage's own, which only looks.
      if (entry.op.kind === 'code' && entry.op.effect === 'read') continue
      const happened = lines.filter((line) => line.runId === runId && line.key === entry.key)
      if (happened.length === 0) wrong.push(`${runId} ${entry.key} is recorded and never happened`)
    }
  }
  return wrong
}

/** How often each effect happened beyond the first time. */
export function repeats(lines: readonly LedgerLine[]): number {
  return lines.length - new Set(lines.map(({ runId, key, attempt }) => `${runId} ${key} ${attempt}`)).size
}

function extractOf({ extract }: Scenario, runs: readonly SeenRun[]): unknown {
  return extract === undefined ? undefined : runs.map(({ entries }) => extract(entries))
}

/** Gapless, and nothing recorded twice. */
function checkJournal({ runId, entries }: SeenRun): string[] {
  const wrong: string[] = []
  const once = new Set<string>()
  for (const [index, entry] of entries.entries()) {
    if (entry.seq !== index) wrong.push(`journal of ${runId}: entry ${index} has the number ${entry.seq}`)
    if ((entry.type === 'start') !== (index === 0)) wrong.push(`journal of ${runId}: entry ${index} is a ${entry.type}`)
    if (entries[index - 1]?.type === 'end' && entry.type !== 'reopen') {
      wrong.push(`journal of ${runId}: entry ${index} is behind the end`)
    }
    if (entry.type === 'reopen' && entry.undo !== true) once.clear()
    const name = nameOf(entry)
    if (name !== undefined && once.has(name)) wrong.push(`I1/I4: ${name} is twice in the journal of ${runId}`)
    if (name !== undefined) once.add(name)
  }
  return wrong
}

function nameOf(entry: Entry): string | undefined {
  if (entry.type === 'signal') return `signal ${entry.signal.id}`
  if (entry.type === 'wait' || entry.type === 'step' || entry.type === 'open') return `${entry.type} ${entry.key}`
  if (entry.type === 'intent' || entry.type === 'retry') return `${entry.type} ${entry.key} ${entry.attempt}`
  return undefined
}

/** I2: what an effect depends on was durable, for an effect `once` with its intent. */
function checkNeeds({ needs = {} }: Scenario, { lines, runs }: Sight): string[] {
  const wrong: string[] = []
  for (const { runId, key, effect, attempt } of lines) {
    const entries = runs.find((run) => run.runId === runId)?.entries ?? []
    const recorded = recordedKeys(entries)
    for (const need of needs[key] ?? []) {
      if (!recorded.has(need)) wrong.push(`I2: ${runId} ${key} happened before ${need} was durable`)
    }
    const intended = entries.some((entry) => entry.type === 'intent' && entry.key === key && entry.attempt === attempt)
    if (effect === 'once' && !intended) wrong.push(`I2: ${runId} ${key} happened without an intent`)
    if (entries.length === 0) wrong.push(`I2: ${runId} ${key} happened before its run was durable`)
  }
  return wrong
}

/** Repeats have the same idempotency key and no other effect has it; of an effect `once` there are none. */
function checkLedger(lines: readonly LedgerLine[]): string[] {
  const wrong: string[] = []
  const keys = new Map<string, string>()
  const steps = new Map<string, string>()
  const once = new Set<string>()
  for (const { runId, key, name, effect, idempotencyKey } of lines) {
    const step = `${runId} ${key}`
    if ((keys.get(step) ?? idempotencyKey) !== idempotencyKey) wrong.push(`${step} has two idempotency keys`)
    if ((steps.get(idempotencyKey) ?? step) !== step)
      wrong.push(`${step} has the idempotency key of ${steps.get(idempotencyKey)}`)
    keys.set(step, idempotencyKey)
    steps.set(idempotencyKey, step)
    if (effect !== 'once') continue
    if (once.has(`${runId} ${name}`)) wrong.push(`once: ${runId} ${name} happened twice`)
    once.add(`${runId} ${name}`)
  }
  return wrong
}

/** Keys whose step or wait is over. */
function recordedKeys(entries: readonly Entry[]): ReadonlySet<string> {
  return new Set(entries.flatMap((entry) => (entry.type === 'step' || entry.type === 'wait' ? [entry.key] : [])))
}

/** Where an error was thrown depends on the process. */
function withoutStacks(outcome: Outcome | undefined): unknown {
  const text = JSON.stringify(outcome, (key, value) => (key === 'stack' ? undefined : value))
  return text === undefined ? undefined : JSON.parse(text)
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}
