/** What a caller is told of a run that has failed. */
import { errorToJson, type Outcome, RunError } from '@selvage/core'
import { expect, test } from 'vitest'
import { settle } from './outcome.ts'

const SPENT = new RunError('BUDGET_EXCEEDED', 'It is spent.', { hint: 'Raise it, then retry the run.' })
const CHILD = new RunError('RUN_FAILED', `Child c failed: ${SPENT.message}`, { cause: SPENT })

const told = (outcome: Outcome): unknown => settle('r', outcome, undefined, (recorded) => recorded)

test.each([SPENT, CHILD])('what its cause tells to do is said, unless the run was undone: %s', (thrown) => {
  const error = errorToJson(thrown)
  expect(() => told({ error })).toThrow(/It is spent\. Raise it, then retry the run\. A retry of the run/)
  expect(() => told({ error, undone: true })).toThrow(/It is spent\. What it did was undone, so it cannot be retried/)
})
