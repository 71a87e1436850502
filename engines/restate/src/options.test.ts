/** A misspelt option is refused, never ignored. */
import { expect, it } from 'vitest'
import { restateEngine } from './engine.ts'
import { runInside } from './run-inside.ts'

const misspelt = { efect: 1 } as never

it.each<[string, (options: never) => unknown]>([
  ['restateEngine()', restateEngine],
  ['listen of restateEngine()', (listen) => restateEngine({ listen })],
  ['rotateAfter of restateEngine()', (rotateAfter) => restateEngine({ rotateAfter })],
  ['runInside()', (options) => runInside(undefined as never, { name: 'p' }, 1, options)],
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
