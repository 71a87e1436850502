/** Steps one by one, at once and in each other, and what their values are when they come back. */
import { isDeepStrictEqual } from 'node:util'
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const VALUES: readonly (readonly [string, unknown])[] = [
  ['a date', new Date('2026-02-28T12:00:00.000Z')],
  ['a map and a set', new Map([['a', new Set([1, 2])]])],
  ['bytes', new Uint8Array([0, 1, 255])],
  ['a bigint', 12_345_678_901_234_567_890n],
  ['nothing', undefined],
  ['numbers that JSON has none of', [Number.NaN, Number.POSITIVE_INFINITY, -0]],
  ['text beyond the basic plane', '𝔰elvage \u0000 end'],
]

export const steps: Section = {
  title: 'steps, one by one and at once',
  register({ under }) {
    const made: string[] = []
    const oneByOne = createWorkflow('one by one', async (ctx, names: readonly string[]) => {
      const seen: string[] = []
      for (const name of names) seen.push(await ctx.step(name, () => `${name}${made.push(`${ctx.runId} ${name}`)}`))
      return seen.length
    })
    /** Each waits for the others: where steps go one by one, it does not end. */
    const atOnce = createWorkflow('at once', async (ctx, names: readonly string[]) => {
      let left = names.length
      const all = Promise.withResolvers<void>()
      return await Promise.all(
        names.map((name) =>
          ctx.step(name, async (at) => {
            if (--left === 0) all.resolve()
            await all.promise
            return [name, at.attempt, at.idempotencyKey]
          }),
        ),
      )
    })
    const within = createWorkflow('within', (ctx) =>
      ctx.step('outer', async () => `outer(${await ctx.step('inner', () => 'inner')})`),
    )
    const values = createWorkflow('values', async (ctx, index: number) => {
      const expected = VALUES[index]?.[1]
      const value = await ctx.step('value', () => expected)
      await ctx.signal('look')
      return [isDeepStrictEqual(value, expected), !Object.is(value, expected) || typeof value !== 'object']
    })
    const opened = inside(under, [oneByOne, atOnce, within, values])

    test('one by one, each once and in its order, a repeated name with a number', async () => {
      const names = ['a', 'b', 'a', 'c', 'a']
      expect(await opened().play('r1', 'one by one', names)).toEqual({ ok: 5 })
      expect(made).toEqual(names.map((name) => `r1 ${name}`))
      const entries = await opened().engine.journal('r1', 0)
      expect(entries.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))).toEqual([
        'a',
        'b',
        'a#2',
        'c',
        'a#3',
      ])
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index))
    })

    test('at once, with a key of its own each', async () => {
      const names = Array.from({ length: 20 }, (_, n) => `s${n}`)
      const outcome = (await opened().play('r2', 'at once', names)) as { ok: [string, number, string][] }
      expect(outcome.ok.map(([name, attempt]) => [name, attempt])).toEqual(names.map((name) => [name, 1]))
      expect(new Set(outcome.ok.map(([, , key]) => key)).size).toBe(names.length)
    })

    test('a step within a step is a plain call', async () => {
      expect(await opened().play('r3', 'within')).toEqual({ ok: 'outer(inner)' })
      const entries = await opened().engine.journal('r3', 0)
      expect(entries.filter(({ type }) => type === 'step').length).toBe(1)
    })

    test.each(VALUES.map(([name], index) => [name, index] as const))(
      'a value is the same before and after it was recorded (I12): %s',
      async (_, index) => {
        const runId = `value-${index}`
        await opened().start(runId, 'values', index)
        await opened().suspended(runId)
        await opened().workAnew()
        await opened().signal(runId, 'look')
        expect(await opened().ended(runId)).toEqual({ ok: [true, true] })
      },
    )
  },
}
