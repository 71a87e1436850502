import { EngineError } from '@selvage/core'
import { expect, it, test } from 'vitest'
import { toSelvage } from './errors.ts'

const WHERE = 'db.example/app'
const coded = (code: string, message = 'said so'): Error => Object.assign(new Error(message), { code })

test.each([
  // SQLSTATEs: no connection, too many of them, starting or stopping, a lock, serialisation, idle in a transaction.
  ...['08006', '53300', '57P01', '57P03', '55P03', '40001', '25P03'],
  // The driver's.
  ...['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'],
])('%s: the database is away, and the same may work later', (code) => {
  const cause = coded(code)
  expect(toSelvage(cause, WHERE)).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/cannot be reached at db\.example\/app/),
    hint: expect.stringContaining('dbosEngine({ url })'),
    details: { where: WHERE },
    cause,
  })
})

test.each([
  ['Connection terminated unexpectedly'],
  ['timeout exceeded when trying to connect'],
  ['Client was closed and is not queryable'],
])('without a code: %s', (message) => {
  expect(toSelvage(new Error(message), WHERE)).toMatchObject({ code: 'UNAVAILABLE', details: { where: WHERE } })
})

it('of several addresses that were tried, one that is away is enough', () => {
  const error = new AggregateError([coded('ECONNREFUSED'), coded('EHOSTUNREACH')])
  expect(toSelvage(error, WHERE)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(WHERE) })
})

it('53100: the disk is full', () => {
  expect(toSelvage(coded('53100'), WHERE)).toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringContaining(WHERE),
  })
})

test.each([
  ['28P01', 'password'],
  ['28000', 'password'],
  ['42501', 'schemas of DBOS and Selvage'],
])('%s is refused, with what to do', (code, hint) => {
  expect(toSelvage(coded(code), WHERE)).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(new RegExp(`refused: said so \\(${code}\\)`)),
    hint: expect.stringContaining(hint),
    details: { where: WHERE, sqlState: code },
  })
})

it('what else PostgreSQL refuses says how it calls it', () => {
  const error = toSelvage(coded('22P02'), WHERE)
  expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { sqlState: '22P02' } })
  expect((error as EngineError).hint).toBeUndefined()
})

it('what is ours, or nobody knows, stays what it is', () => {
  const others = [new EngineError('CORRUPT', 'no'), new TypeError('no'), coded('ERR_ASSERTION'), 'no', undefined]
  for (const error of others) {
    expect(toSelvage(error, WHERE)).toBe(error)
  }
})
