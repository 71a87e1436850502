import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Kept, partsOf, tableOf } from './figures.ts'

const docs = join(import.meta.dirname, '../docs')

test('the table of docs/engines.md says what was measured', () => {
  const kept = JSON.parse(readFileSync(join(docs, 'figures.json'), 'utf8')) as Kept
  const [before, table, after] = partsOf(readFileSync(join(docs, 'engines.md'), 'utf8'))
  expect(table).toBe(tableOf(kept))
  expect([before, after].map((text) => text.length > 100)).toEqual([true, true])
})

test('a column for each engine; what one has not is left empty, and a note stands below', () => {
  const common = { stepMs: 0.234, stepBytes: 61, resumeMs: 900, workerMiB: 95, day: '2026-11-21', cores: 2, load: 3 }
  const named = { ...common, stepMs: 15.2, unnamed: { stepMs: 5.04, stepBytes: 40 }, serverMiB: [130, 200] as const }
  const table = tableOf({
    sqlite: { ...common, title: 'embedded, SQLite' },
    lambda: { ...named, title: 'Lambda', note: 'On the loopback service.' },
  })
  expect(table.split('\n')).toEqual(
    expect.arrayContaining([
      '|  | embedded, SQLite | Lambda <sup>1</sup> |',
      '|---|---|---|',
      '| a step in sequence | 0.23 ms | 15 ms |',
      '| the same, steps not named in its console |  | 5.04 ms |',
      '| memory of the server, idle and after | none | 130, 200 MiB |',
      '1. On the loopback service.',
      'Measured: embedded, SQLite on 2026-11-21, 2 cores, load 3; Lambda on 2026-11-21, 2 cores, load 3.',
    ]),
  )
})
