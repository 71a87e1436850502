/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { restateEngine } from './engine.ts'
import { runInside } from './run-inside.ts'

it.each<[string, (options: never) => unknown]>([
  ['restateEngine()', restateEngine],
  ['listen of restateEngine()', (listen) => restateEngine({ listen })],
  ['rotateAfter of restateEngine()', (rotateAfter) => restateEngine({ rotateAfter })],
  ['runInside()', (options) => runInside(undefined as never, { name: 'p' }, 1, options)],
])('%s knows no misspelling, and takes no text, list or null for options', async (what, make) => {
  expect(await badRefusals(what, make)).toEqual([])
})
