import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { decisions } from './decision.ts'
import { bothRatios, failedSection, promisesText, type Section, sectionText, type Verdict } from './report.ts'

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

it('a ratio is that within a round, and beside it that of the medians', () => {
  expect(bothRatios([2, 30, 300], [1, 10, 200])).toBe('2 (1.75–2.50), of the medians 3')
})

it('a record is linked by its number', () => {
  expect(decisions('See', '0012-a', '0013-b')).toBe(
    'See: [decision 0012](../docs/decisions/0012-a.md), [decision 0013](../docs/decisions/0013-b.md)',
  )
})

it('links lead to the records that there are', () => {
  const sources = globSync('**/*.ts', { cwd: import.meta.dirname, exclude: ['**/*.test.ts'] })
  const texts = sources.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
  const named = texts.flatMap((text) => [...text.matchAll(/'(\d{4}-[a-z-]+)'/g)].map(([, record]) => record))
  expect(named).toContain('0012-what-a-step-costs')
  const there = new Set(readdirSync(new URL('../../docs/decisions/', import.meta.url)))
  expect(named.filter((record) => !there.has(`${record}.md`))).toEqual([])
})
