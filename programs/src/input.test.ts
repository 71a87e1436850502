import { describe, expect, it } from 'vitest'
import { type StandardSchema, validateInput } from './input.ts'

function schemaOf<Output>(
  validate: StandardSchema<unknown, Output>['~standard']['validate'],
): StandardSchema<unknown, Output> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

describe('validateInput', () => {
  it('gives back what the schema makes of a value, at once or later', async () => {
    expect(
      await validateInput(
        schemaOf((value) => ({ value: Number(value) })),
        '7',
      ),
    ).toBe(7)
    expect(
      await validateInput(
        schemaOf(async () => ({ value: 8 })),
        '7',
      ),
    ).toBe(8)
  })

  it('names every issue with its path', async () => {
    const schema = schemaOf(() => ({
      issues: [{ message: 'is required', path: ['user', { key: 'name' }, 0] }, { message: 'is odd' }],
    }))
    await expect(validateInput(schema, {})).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('user.name.0: is required; is odd'),
      details: {
        issues: [
          { path: 'user.name.0', message: 'is required' },
          { path: '', message: 'is odd' },
        ],
      },
    })
  })
})
