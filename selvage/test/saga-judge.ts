/** What must hold outside of a saga that has ended, whoever was killed: each deed that happened was undone, once. */
import type { Scenario } from '@selvage/testing/conformance'

type Lines = Parameters<NonNullable<Scenario['judge']>>[0]

const UNDO = 'undo '

/** `never`: deeds that are left as they are. */
export function judge(lines: Lines, never: readonly string[] = []): string[] {
  const wrong: string[] = []
  const names = [...new Set(lines.map(({ name }) => name))]
  const last = (name: string): number => lines.findLastIndex((line) => line.name === name)
  for (const deed of names.filter((name) => !name.startsWith(UNDO) && !never.includes(name))) {
    const undo = `${UNDO}${deed}`
    if (!names.includes(undo)) wrong.push(`${deed} happened and was never undone`)
    else if (lines.findIndex((line) => line.name === undo) < last(deed))
      wrong.push(`${deed} happened behind its undoing`)
    // A target system that honours keys counts repeats once.
    const keys = new Set(lines.flatMap((line) => (line.name === undo ? [line.idempotencyKey] : [])))
    if (keys.size > 1) wrong.push(`${deed} was undone under ${keys.size} keys`)
  }
  for (const undo of names.filter((name) => name.startsWith(UNDO))) {
    if (!names.includes(undo.slice(UNDO.length))) wrong.push(`${undo.slice(UNDO.length)} was undone and never happened`)
  }
  return wrong
}
