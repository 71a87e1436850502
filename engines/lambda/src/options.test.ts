/** A misspelt option is refused, never ignored. */
import { expect, it } from 'vitest'
import { s3Blobs } from './blobs.ts'
import { lambdaEngine } from './engine.ts'
import { lambdaHandler } from './lambda-handler.ts'
import { runInside } from './run-inside.ts'

const misspelt = { efect: 1 } as never

it.each<[string, (options: never) => unknown]>([
  ['lambdaEngine()', lambdaEngine],
  ['rotateAfter of lambdaEngine()', (rotateAfter) => lambdaEngine({ rotateAfter })],
  ['poll of lambdaEngine()', (poll) => lambdaEngine({ poll })],
  ['lambdaHandler()', (options) => lambdaHandler([], options)],
  ['s3Blobs()', s3Blobs],
  ['runInside()', (options) => runInside(undefined as never, undefined as never, 1, options)],
])('%s knows no misspelling, and takes no text, list or null for options', async (what, make) => {
  const refusal = async (options: unknown) => {
    try {
      return await make(options as never)
    } catch (error) {
      return error
    }
  }
  const unknown = expect.stringContaining(`${what} has no option "efect". It knows `)
  expect(await refusal(misspelt)).toMatchObject({ code: 'BAD_INPUT', message: unknown })
  for (const given of ['once', ['once'], null]) {
    const message = expect.stringContaining(`${what} was given`)
    expect(await refusal(given), String(given)).toMatchObject({ code: 'BAD_INPUT', message })
  }
})
