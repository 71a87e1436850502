/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { s3Blobs } from './blobs.ts'
import { lambdaEngine } from './engine.ts'
import { lambdaHandler } from './lambda-handler.ts'
import { runInside } from './run-inside.ts'

it.each<[string, (options: never) => unknown]>([
  ['lambdaEngine()', lambdaEngine],
  ['rotateAfter of lambdaEngine()', (rotateAfter) => lambdaEngine({ rotateAfter })],
  ['poll of lambdaEngine()', (poll) => lambdaEngine({ poll })],
  ['lambdaHandler()', (options) => lambdaHandler([], options)],
  ['s3Blobs()', s3Blobs],
  ['runInside()', (options) => runInside(undefined as never, undefined as never, 1, options)],
])('%s knows no misspelling, and takes no text, list or null for options', async (what, make) => {
  expect(await badRefusals(what, make)).toEqual([])
})

it.each<[object, string]>([
  [{ functionName: 5 }, 'functionName of lambdaEngine() is 5'],
  [{ client: {} }, 'client of lambdaEngine() is an object without a function send'],
  [{ blobs: { put() {} } }, 'blobs of lambdaEngine() is an object without a function get'],
  [{ namesSteps: 'no' }, 'namesSteps of lambdaEngine() is "no"'],
  [{ poll: { firstMs: '5' } }, 'poll.firstMs of lambdaEngine() is "5"'],
])('%o is refused', (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  expect(() => lambdaEngine({ functionName: 'f', ...options })).toThrow(expect.objectContaining(refused))
})
