import type { EngineError } from '@selvage/core'
import { expect, it, test } from 'vitest'
import { refused, unreachable } from './errors.ts'

const URL_ = 'http://127.0.0.1:9070/query'

test.each([
  [401, 'restateEngine({ headers })'],
  [403, 'restateEngine({ headers })'],
  [404, 'start a worker once'],
  [413, 'hand in blobs'],
])('what the server answers with %i says what to do', (status, hint) => {
  const error = refused(URL_, status, 'its own words')
  expect(error).toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE', details: { url: URL_, status } })
  expect(error.message).toContain(`Restate answered ${status} at ${URL_}: its own words`)
  expect(error.hint).toContain(hint)
})

it('another status has its own words, and not more of them than can be read', () => {
  const error: EngineError = refused(URL_, 500, 'x'.repeat(10_000))
  expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { status: 500 } })
  expect(error.hint).toBeUndefined()
  expect(error.message.length).toBeLessThan(700)
})

it('a server that cannot be reached is named by its address', () => {
  const cause = new TypeError('fetch failed')
  expect(unreachable(URL_, cause)).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(URL_),
    hint: expect.stringContaining('ingress and admin'),
    cause,
  })
})
