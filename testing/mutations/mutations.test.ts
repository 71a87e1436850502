import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MUTATIONS } from './list.ts'
import { mutate } from './mutation.ts'

describe('the list of deliberate breakages is up to date (npm run mutations applies them)', () => {
  test('there are at least ten, each with a name of its own', () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(10)
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
  })

  test.each(MUTATIONS)('$name', (mutation) => {
    expect(mutate(mutation)).not.toBe('')
    const tests = readFileSync(resolve(import.meta.dirname, '../..', mutation.test), 'utf8')
    expect(tests).toContain(mutation.title)
  })
})
