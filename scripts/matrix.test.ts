/** The matrix of docs/engines.md comes from runs, and leaves no engine and no section out. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SECTIONS } from '../testing/src/conformance/index.ts'
import { isPageRight, tableOf, written } from './matrix.ts'

const root = join(import.meta.dirname, '..')

test('docs/engines.md shows the records of docs/conformance.json', () => {
  expect(isPageRight(), 'npm run matrix').toBe(true)
})

test('every engine that runs the kit has a column', () => {
  const files = globSync('{testing,engines/*}/src/**/conformance*.test.ts', { cwd: root })
  expect([...new Set(written().map(({ file }) => file))].sort()).toEqual(files.sort())
})

test('every section has a row, and holds for each engine or is skipped with one reason', () => {
  const titles = SECTIONS.map(({ title }) => title)
  const rows = new Set(written().flatMap(({ sections }) => sections.map(({ title }) => title)))
  expect(titles.filter((title) => !rows.has(title))).toEqual([])
  for (const { engine, sections } of written()) {
    for (const { title, found, reasons } of sections) {
      expect(found, `${engine}: ${title}`).not.toBe('fails')
      if (found === 'skipped') expect(reasons.length, `${engine}: ${title}`).toBe(1)
    }
  }
})

test('a reason stands once below the table', () => {
  const skipped = { found: 'skipped', reasons: ['no such thing'] } as const
  const sections = [
    { title: 'a', ...skipped },
    { title: 'b', ...skipped },
    { title: 'c', found: 'holds', reasons: [] },
  ] as const
  expect(tableOf([{ engine: 'e', file: 'f', sections }]).split('\n')).toEqual([
    '|  | e |',
    '| --- | --- |',
    '| a | skipped <sup>1</sup> |',
    '| b | skipped <sup>1</sup> |',
    '| c | holds |',
    '',
    '1. no such thing',
  ])
})
