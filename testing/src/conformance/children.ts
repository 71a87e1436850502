/** Runs below a run: each is a run of its own, `<runId>/<key>`. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import { leaveOut, NO_RETRY } from './leave-out.ts'
import type { Section } from './section.ts'

/** More than an engine has connections, or places for what it does at once. */
const CROWD = 24

export const children: Section = {
  title: 'children',
  register({ under, manifest }) {
    const made: string[] = []
    const part = createWorkflow('part', async (ctx, n: number) => {
      if (n < 0) throw new RangeError(`${n} is negative`)
      return await ctx.step('square', () => {
        made.push(ctx.runId)
        return n * n
      })
    })
    const waiting = createWorkflow('waiting', (ctx) => ctx.signal('go'))
    const whole = createWorkflow('whole', async (ctx, parts: readonly number[]) => {
      const squares = await Promise.all(parts.map((n, index) => ctx.child(part, n, { key: `part-${index}` })))
      await ctx.step('after', () => {})
      return squares
    })
    const careful = createWorkflow('careful', (ctx) =>
      ctx.child(part, -1).catch((error: Error & { code: string; cause: Error }) => [error.code, error.cause.message]),
    )
    const parent = createWorkflow('parent', (ctx) => ctx.child(waiting, null))
    const crowded = createWorkflow('crowded', async (ctx) => {
      const asked = Array.from({ length: CROWD }, (_, index) => ctx.child(waiting, null, { key: `waiting-${index}` }))
      return await Promise.all(asked)
    })
    let isBroken = true
    const fickle = createWorkflow('fickle', async (ctx) => {
      await ctx.signal('try')
      return await ctx.step('try', () => {
        if (isBroken) throw new Error('broken')
        return 'mended'
      })
    })
    const pair = createWorkflow('pair', (ctx) => Promise.all([ctx.child(fickle, null), ctx.child(waiting, null)]))
    const opened = inside(under, [part, waiting, whole, careful, parent, crowded, fickle, pair])

    test('their results come back in the order of the calls, and each is a run', async () => {
      expect(await opened().play('r1', 'whole', [3, 1, 2])).toEqual({ ok: [9, 1, 4] })
      // It tells its parent before it ends.
      await opened().ended('r1/part-0')
      expect(await opened().engine.describe('r1/part-0')).toMatchObject({
        status: 'completed',
        program: 'part',
        parent: 'r1',
        outcome: { ok: 9 },
      })
      expect([...made].sort()).toEqual(['r1/part-0', 'r1/part-1', 'r1/part-2'])
    })

    test('a child that fails is an error that its parent can catch', async () => {
      expect(await opened().play('r2', 'careful')).toEqual({ ok: ['RUN_FAILED', '-1 is negative'] })
      expect(await opened().ended('r2/part#1')).toMatchObject({ error: { name: 'RangeError' } })
    })

    test('a child that ends after its parent has left the memory wakes it', async () => {
      await opened().start('r3', 'parent')
      await opened().until('r3', ({ status }) => status === 'suspended')
      await opened().suspended('r3/waiting#1')
      await opened().workAnew()
      await opened().signal('r3/waiting#1', 'go', 'woken')
      expect(await opened().ended('r3')).toEqual({ ok: 'woken' })
    })

    test('many children that are told to go on at once all end, and so does their parent', async () => {
      const all = Array.from({ length: CROWD }, (_, index) => index)
      await opened().start('r5', 'crowded')
      await opened().suspended('r5')
      for (const index of all) await opened().suspended(`r5/waiting-${index}`)
      await Promise.all(all.map((index) => opened().signal(`r5/waiting-${index}`, 'go', index)))
      expect(await opened().ended('r5')).toEqual({ ok: all })
    })

    const title = 'a child that ends when its parent has failed is heard of by a retry'
    if (manifest.abilities.retry !== true) leaveOut(title, NO_RETRY)
    else {
      test(title, async () => {
        await opened().start('r6', 'pair')
        await opened().suspended('r6')
        await opened().signal('r6/fickle#1', 'try')
        expect(await opened().ended('r6')).toHaveProperty('error')
        await opened().signal('r6/waiting#1', 'go', 'late')
        expect(await opened().ended('r6/waiting#1')).toEqual({ ok: 'late' })
        // Told before it ended: whoever says the same again hears that he is not the first.
        expect(await opened().signal('r6', 'child:r6/waiting#1')).toMatchObject({
          accepted: false,
          first: { payload: { ok: 'late' } },
        })
        isBroken = false
        await opened().engine.retry?.('r6')
        expect(await opened().ended('r6')).toEqual({ ok: ['mended', 'late'] })
      })
    }

    test('a cancel of the parent reaches its children', async () => {
      await opened().start('r4', 'parent')
      await opened().suspended('r4')
      await opened().suspended('r4/waiting#1')
      await opened().engine.cancel('r4', 'enough')
      expect(await opened().ended('r4')).toMatchObject({ cancelled: 'enough' })
      expect(await opened().ended('r4/waiting#1')).toHaveProperty('cancelled')
    })
  },
}
