/** What the gate has changed: a test that passed without it must pass with it, or have its line in differences.json. */
import type { Results } from './run-tests.ts'

export interface Difference {
  readonly test: string
  readonly is: string
  readonly message: string
}

export interface Explained {
  readonly test: string
  readonly why: string
}

export function differences(without: Results, withGate: Results): Difference[] {
  return [...without].flatMap(([test, was]) => {
    if (was.status !== 'passed') return []
    const now = withGate.get(test) ?? withGate.get(fileOf(test)) ?? { status: 'missing', message: '' }
    return now.status === 'passed' ? [] : [{ test, is: now.status, message: now.message }]
  })
}

export function fileOf(test: string): string {
  return test.split(' > ')[0] ?? test
}

export function passed(results: Results): number {
  return [...results.values()].filter(({ status }) => status === 'passed').length
}
