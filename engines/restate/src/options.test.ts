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

it.each<[object, string]>([
  [{ ingress: 5 }, 'ingress of restateEngine() is 5'],
  [{ ingress: 'nope' }, "ingress of restateEngine() is no http address: 'nope'"],
  [{ advertise: 'worker:9080' }, 'advertise of restateEngine() is no http address'],
  [{ headers: { authorization: 5 } }, '"authorization" of headers of restateEngine() is 5'],
  [{ listen: { port: '9080' } }, 'listen.port of restateEngine() is "9080"'],
  [{ listen: { reusePort: 'yes' } }, 'listen.reusePort of restateEngine() is "yes"'],
  [{ register: 'no' }, 'register of restateEngine() is "no"'],
  [{ stopGraceMs: Number.NaN }, 'stopGraceMs of restateEngine() is NaN'],
  [{ onError: 5 }, 'onError of restateEngine() is 5'],
  [{ identityKeys: 'publickeyv1_x' }, 'identityKeys of restateEngine() is no list'],
  [{ identityKeys: [5] }, 'identityKeys of restateEngine() is no list'],
  // Whoever leaves nobody in the list wants to check requests, and nothing would be checked.
  [{ identityKeys: [] }, 'or an empty one'],
])('%o is refused', (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  expect(() => restateEngine(options)).toThrow(expect.objectContaining(refused))
})
