/** What the kit tells of a run, on sections of its own that hold, skip themselves in the middle, or are left out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { leaveOut } from './leave-out.ts'
import { type EngineRecord, recorded } from './record.ts'

const folder = mkdtempSync(join(tmpdir(), 'selvage-record-'))
vi.stubEnv('SELVAGE_CONFORMANCE', folder)
const printed: string[] = []
vi.spyOn(console, 'info').mockImplementation((line: string) => void printed.push(line))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('an engine, somewhere:', () => {
  recorded('an engine, somewhere')
  describe('doors', () => {
    test('open', () => expect(1).toBe(1))
    test('close', ({ skip }) => {
      const doors: readonly string[] = []
      if (doors.length === 0) skip('it has none')
    })
  })
  describe('windows', () => {
    describe('in the roof', () => {
      leaveOut('open', 'its roof is flat')
    })
  })
  leaveOut('a cellar', 'its manifest says that it has none')
})

test('each skip has printed its reason', () => {
  expect(printed).toEqual([
    'an engine, somewhere: "doors", "close" is skipped: it has none',
    'an engine, somewhere: "windows", "open" is skipped: its roof is flat',
    'an engine, somewhere: "a cellar" is skipped: its manifest says that it has none',
  ])
})

test('and stands in the record, with the section of which it is a part', () => {
  const { sections }: EngineRecord = JSON.parse(readFileSync(join(folder, 'an-engine-somewhere.json'), 'utf8'))
  expect(sections).toEqual([
    { title: 'doors', found: 'holds', reasons: ['it has none'] },
    { title: 'windows', found: 'skipped', reasons: ['its roof is flat'] },
    { title: 'a cellar', found: 'skipped', reasons: ['its manifest says that it has none'] },
  ])
})
