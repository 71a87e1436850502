import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MUTATIONS } from './list.ts'
import { builtPathOf, mutate } from './mutation.ts'

describe('the list of deliberate breakages is up to date (npm run mutations applies them)', () => {
  test('there are at least ten, each with a name of its own', () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(10)
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
  })

  test.each(MUTATIONS)('$name', (mutation) => {
    expect(mutate(mutation)).not.toBe('')
    if (mutation.processes) {
      // One that does not parse would turn any test red.
      const input = mutate(mutation, readFileSync(builtPathOf(mutation), 'utf8'))
      execFileSync(process.execPath, ['--check', '--input-type=module', '-'], {
        input,
        stdio: ['pipe', 'ignore', 'pipe'],
      })
    }
    const tests = readFileSync(resolve(import.meta.dirname, '../..', mutation.titleIn ?? mutation.test), 'utf8')
    expect(tests).toContain(mutation.title)
  })
})
