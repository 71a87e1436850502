/** What the gate has changed: a test that passed without it must pass with it, or have its line in differences.json. */
import type { Results } from './run-tests.ts'

export interface Difference {
  readonly test: string
  readonly is: string
  readonly message: string
}

export interface Explained {
  /** Its full name; with `says`, the file of several. */
  readonly test: string
  /** What the failure of each of them says: one for another reason is not explained. */
  readonly says?: string
  readonly why: string
}

export function explains({ test, says }: Explained, difference: Difference): boolean {
  if (says === undefined) return difference.test === test
  return fileOf(difference.test) === test && difference.message.includes(says)
}

export function differences(without: Results, withGate: Results): Difference[] {
  const tests = [...without.tests].flatMap(([test, was]) => {
    if (was.status !== 'passed') return []
    const now = withGate.tests.get(test) ?? withGate.tests.get(fileOf(test)) ?? { status: 'missing', message: '' }
    return now.status === 'passed' ? [] : [{ test, is: now.status, message: now.message }]
  })
  const known = new Set(without.unhandled.map(firstLine))
  const unhandled = withGate.unhandled.filter((error) => !known.has(firstLine(error)))
  return [...tests, ...unhandled.map((message) => ({ test: 'no test', is: 'unhandled', message }))]
}

/** What fails without the gate, and so can say nothing of it. */
export function failing({ tests }: Results): string[] {
  const lines = [...tests].flatMap(([test, { status, message }]) =>
    status === 'failed' ? [`${test}: ${firstLine(message)}`] : [],
  )
  return lines.sort()
}

export function fileOf(test: string): string {
  return test.split(' > ')[0] ?? test
}

export function passed({ tests }: Results): number {
  return [...tests.values()].filter(({ status }) => status === 'passed').length
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
