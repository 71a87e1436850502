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

const url = 'postgres://localhost/a'

it.each<[unknown, string]>([
  [undefined, 'dbosEngine() was given null'],
  [{}, 'url of dbosEngine() is undefined'],
  [{ url: 'mysql://localhost/a' }, 'The url of dbosEngine() is no postgres: url'],
  [{ url, namesSteps: 'no' }, 'namesSteps of dbosEngine() is "no"'],
  [{ url, onError: 5 }, 'onError of dbosEngine() is 5'],
  [{ url, leaseMs: '5000' }, 'The option leaseMs of the engine on DBOS is "5000"'],
])('%o is refused', (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  expect(() => dbosEngine(options as never)).toThrow(expect.objectContaining(refused))
})
