/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { embeddedEngine } from './engine.ts'

it.each<[string, (options: never) => unknown]>([['embeddedEngine()', embeddedEngine]])(
  '%s knows no misspelling, and takes no text, list or null for options',
  async (what, make) => {
    expect(await badRefusals(what, make)).toEqual([])
  },
)

it.each<[unknown, string]>([
  [undefined, 'embeddedEngine() was given null'],
  [{}, 'store of embeddedEngine() is null'],
  [{ store: {} }, 'store of embeddedEngine() is an object without a function create'],
])('%o is refused', (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  expect(() => embeddedEngine(options as never)).toThrow(expect.objectContaining(refused))
})
