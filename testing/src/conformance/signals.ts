/** Signals: early, twice, out of order, to nobody in particular; and callbacks, which have one answer. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const BURST: readonly number[] = Array.from({ length: 20 }, (_, n) => n)

export const signals: Section = {
  title: 'signals: early, twice, and out of order',
  register({ under }) {
    const taker = createWorkflow('taker', async (ctx, names: readonly string[]) => {
      const taken: unknown[] = []
      for (const name of names) taken.push(await ctx.signal(name))
      return taken
    })
    const gated = createWorkflow('gated', async (ctx) => {
      await ctx.step('before', () => {})
      const [a, b] = await Promise.all([ctx.signal('a'), ctx.signal('b')])
      await ctx.step('after', () => {})
      return [a, b]
    })
    const busy = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const occupied = createWorkflow('occupied', async (ctx, names: readonly string[]) => {
      await ctx.step('long', async () => {
        begun.resolve()
        await busy.promise
      })
      const taken: unknown[] = []
      for (const name of names) taken.push(await ctx.signal(name))
      return taken
    })
    const opened = inside(under, [taker, gated, occupied])

    /** One after the other, each accepted before the next is sent. */
    async function burst(runId: string): Promise<void> {
      for (const n of BURST) expect(await opened().signal(runId, 'x', n, `id-${n}`)).toEqual({ accepted: true })
    }

    test('one that came before its wait counts, also where nobody works yet', async () => {
      await opened().rest()
      await opened().start('r1', 'taker', ['x'])
      expect(await opened().signal('r1', 'x', 'early')).toEqual({ accepted: true })
      await opened().work()
      expect(await opened().ended('r1')).toEqual({ ok: ['early'] })
    })

    test('of two with the same id one counts, and the second sender is told which', async () => {
      await opened().start('r2', 'taker', ['x', 'x'])
      expect(await opened().signal('r2', 'x', 'one', 'id-1')).toEqual({ accepted: true })
      const second = await opened().signal('r2', 'x', 'two', 'id-1')
      expect(second).toMatchObject({ accepted: false, first: { id: 'id-1', payload: 'one' } })
      await opened().workAnew()
      expect(await opened().signal('r2', 'x', 'two', 'id-1')).toMatchObject({ accepted: false })
      await opened().signal('r2', 'x', 'three', 'id-2')
      expect(await opened().ended('r2')).toEqual({ ok: ['one', 'three'] })
    })

    test('of one name the oldest is taken first; names may come in any order', async () => {
      await opened().start('r3', 'taker', ['x', 'y', 'x', 'y'])
      for (const [name, n] of [
        ['y', 1],
        ['y', 2],
        ['x', 3],
        ['x', 4],
      ] as const) {
        await opened().signal('r3', name, n, `${name}${n}`)
      }
      expect(await opened().ended('r3')).toEqual({ ok: [3, 1, 4, 2] })
    })

    test('many at once, of as many senders, are each taken once', async () => {
      const count = 20
      await opened().start('r4', 'taker', Array<string>(count).fill('x'))
      const sent = Array.from({ length: count }, (_, n) => n)
      await Promise.all(sent.map((n) => opened().signal('r4', 'x', n, `id-${n}`)))
      const outcome = (await opened().ended('r4')) as { ok: number[] }
      expect([...outcome.ok].sort((one, other) => one - other)).toEqual(sent)
    })

    test('two waits at once, answered while nobody works (I8)', async () => {
      await opened().start('r5', 'gated')
      const { waitsFor } = await opened().suspended('r5')
      expect([...(waitsFor?.signals ?? [])].sort()).toEqual(['a', 'b'])
      await opened().rest()
      await opened().signal('r5', 'b', 2)
      await opened().signal('r5', 'a', 1)
      await opened().work()
      expect(await opened().ended('r5')).toEqual({ ok: [1, 2] })
    })

    test('a burst while nobody works is taken in the order in which it was accepted', async () => {
      await opened().rest()
      await opened().start('r7', 'taker', Array<string>(BURST.length).fill('x'))
      await burst('r7')
      await opened().work()
      expect(await opened().ended('r7')).toEqual({ ok: BURST })
    })

    test('a burst while the run is busy is taken in the order in which it was accepted', async () => {
      await opened().start('r8', 'occupied', Array<string>(BURST.length).fill('x'))
      await begun.promise
      await burst('r8')
      busy.resolve()
      expect(await opened().ended('r8')).toEqual({ ok: BURST })
    })

    test('what nobody waits for stays without effect', async () => {
      await opened().start('r6', 'taker', ['x'])
      await opened().signal('r6', 'noise', 'never asked for')
      await opened().signal('r6', 'x', 'asked for')
      expect(await opened().ended('r6')).toEqual({ ok: ['asked for'] })
    })
  },
}
