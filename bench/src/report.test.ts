import { expect, it } from 'vitest'
import { decisions } from './decision.ts'
import { failedSection, promisesText, type Section, sectionText, type Verdict } from './report.ts'

const KEPT: Verdict = { what: 'a', promised: '≤ 1', measured: '0.5', kept: true, why: 'never said' }
const MISSED: Verdict = { what: 'b', promised: '≤ 1', measured: '2', kept: false, why: 'the disk is slow' }

it('what is missed is told with its reason, what is kept without', () => {
  const text = promisesText([KEPT, MISSED])
  expect(text).toContain('**missed**')
  expect(text).toContain('- **b**: the disk is slow.')
  expect(text).not.toContain('never said')
  expect(promisesText([KEPT])).not.toContain('Why')
})

it('a miss without a reason is not hidden', () => {
  const { why: _, ...bare } = MISSED
  expect(promisesText([bare])).toContain('- **b**: nobody has looked for the reason yet.')
})

it('a workload that fails keeps what it has saved, and is missed', () => {
  const saved: Section = { title: 'T', how: 'h', tables: [], verdicts: [KEPT], notes: ['n', 'n'] }
  const { verdicts, notes } = failedSection('step', new Error('it fell over'), saved)
  expect(verdicts.map(({ kept }) => kept)).toEqual([true, false])
  expect(notes).toContain('**Not measured to the end**: it fell over.')
  expect(failedSection('step', new Error('it fell over')).title).toBe('Not measured: step')
  expect(sectionText(saved).match(/- n/g)).toHaveLength(1)
})

it('links lead to the records that there are', () => {
  expect(decisions('See', '0012', '9999')).toBe('See: [decision 0012](../docs/decisions/0012-what-a-step-costs.md)')
  expect(decisions('See', '9999')).toBe('')
})
