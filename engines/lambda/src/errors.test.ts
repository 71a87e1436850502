import { expect, it, test } from 'vitest'
import { endedOutside, tooLarge, unavailable } from './errors.ts'

const named = (name: string): Error => Object.assign(new Error('said so'), { name })

test.each([
  ['AccessDeniedException', 'engines/lambda/README.md'],
  ['ResourceNotFoundException', 'DurableConfig'],
  ['TooManyRequestsException', 'quota'],
  ['RequestTooLargeException', 'lambdaEngine({ blobs })'],
  ['InvalidParameterValueException', 'version or alias'],
  ['CredentialsProviderError', 'credentials'],
  ['TimeoutError', 'goes on by itself'],
])('%s says what to do', (name, hint) => {
  const cause = named(name)
  const error = unavailable('begin execution r_0', 'reports', cause)
  expect(error).toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE', cause })
  expect(error.details).toEqual({ functionName: 'reports', name })
  expect(error.message).toContain(`Lambda did not begin execution r_0 of function reports: ${name}: said so`)
  expect(error.hint).toContain(hint)
})

it('what is no error of the service is told as it is', () => {
  expect(unavailable('list executions', 'reports', 'it is in no list yet').message).toContain('it is in no list yet')
})

test.each([
  ['TIMED_OUT', 'RUN_TIMEOUT'],
  ['FAILED', 'RUN_FAILED'],
])('an execution that was ended as %s is %s', (status, code) => {
  expect(endedOutside('r', status, 'by itself')).toMatchObject({ code, details: { runId: 'r', status } })
  expect(endedOutside('r', status, undefined).message).toContain(`Lambda ended the execution of run r (${status}).`)
})

it('what is too large says how much there is room for', () => {
  expect(tooLarge('input', 300_000, 200_000)).toMatchObject({
    code: 'UNSUPPORTED',
    details: { bytes: 300_000, limit: 200_000 },
    hint: expect.stringContaining('blobs'),
  })
})
