import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as errors from './errors.ts'

const { ERROR_CODES, RunError, SelvageError, UsageError } = errors

describe('docs/errors.md', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('## Codes'))
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))

  test('lists exactly the codes that there are, with class and meaning', () => {
    const listed = rows.map(([, code, type, meaning]) => [code, type, meaning])
    const known = Object.entries(ERROR_CODES).map(([code, it]) => [`\`${code}\``, `\`${it.class}\``, it.meaning])
    expect(listed).toEqual(known)
  })

  test('says for each what to do', () => {
    for (const [, code, , , action] of rows) expect(action, code).toMatch(/^[A-Z].*\.$/)
  })
})

test('the class of every code exists, is a SelvageError and is named as it is', () => {
  const classes = new Map<string, unknown>(Object.entries(errors))
  for (const { class: name } of Object.values(ERROR_CODES)) {
    const type = classes.get(name) as typeof SelvageError
    expect(type.prototype).toBeInstanceOf(SelvageError)
    expect(new type('CORRUPT', '').name).toBe(name)
  }
})

test('an error says what happened and what to do, and carries both', () => {
  const cause = new Error('below')
  const error = new RunError('NOT_FOUND', 'No run q4.', { hint: 'Check the id.', details: { runId: 'q4' }, cause })
  expect(error.message).toBe('No run q4. Check the id.')
  expect(error).toMatchObject({ code: 'NOT_FOUND', hint: 'Check the id.', details: { runId: 'q4' }, cause })
})

test('SelvageError.is knows the brand, not the class', () => {
  const foreign = Object.assign(new Error('of another copy'), {
    [Symbol.for('selvage.error')]: true,
    code: 'NOT_FOUND',
  })
  expect(SelvageError.is(foreign)).toBe(true)
  expect(SelvageError.is(foreign, 'NOT_FOUND')).toBe(true)
  expect(SelvageError.is(new UsageError('BAD_INPUT', ''), 'NOT_FOUND')).toBe(false)
  for (const other of [new Error('x'), { code: 'NOT_FOUND' }, 'NOT_FOUND', null, undefined]) {
    expect(SelvageError.is(other)).toBe(false)
  }
})
