/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { dbosEngine } from './engine.ts'

it.each<[string, (options: never) => unknown]>([
  ['dbosEngine()', dbosEngine],
  ['rotateAfter of dbosEngine()', (rotateAfter) => dbosEngine({ url: 'postgres://localhost/a', rotateAfter })],
])('%s knows no misspelling, and takes no text, list or null for options', async (what, make) => {
  expect(await badRefusals(what, make)).toEqual([])
})
