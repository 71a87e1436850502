/** Waiting for a time, in whatever process. No test says how long anything took: only what came first, and that it came. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const SHORT_MS = 30
const DAY_MS = 24 * 60 * 60 * 1_000

export const timers: Section = {
  title: 'timers',
  register({ under }) {
    const sleeper = createWorkflow('sleeper', async (ctx, ms: number) => {
      const before = ctx.now()
      await ctx.sleep(ms)
      return ctx.now() - before
    })
    const racing = createWorkflow('racing', async (ctx) => {
      const order: string[] = []
      const sleep = async (name: string, ms: number): Promise<void> => {
        await ctx.sleep(ms)
        order.push(name)
      }
      await Promise.all([sleep('long', 12 * SHORT_MS), sleep('short', SHORT_MS)])
      return order
    })
    const overdue = createWorkflow('overdue', async (ctx) => {
      const waited = ctx.signal('never', { timeout: SHORT_MS }).catch((error: Error & { code: string }) => error.code)
      return [await waited, await ctx.signal('there', { timeout: '1d' })]
    })
    let looks = 0
    const patient = createWorkflow('patient', (ctx) =>
      ctx.waitUntil('there', () => (++looks < 3 ? null : `after ${looks}`), { interval: 10 * SHORT_MS }),
    )
    const opened = inside(under, [sleeper, racing, overdue, patient])

    test('a sleep ends, not before its time', async () => {
      const outcome = (await opened().play('r1', 'sleeper', SHORT_MS)) as { ok: number }
      expect(outcome.ok).toBeGreaterThanOrEqual(SHORT_MS)
    })

    test('of several the shortest is over first', async () => {
      expect(await opened().play('r2', 'racing')).toEqual({ ok: ['short', 'long'] })
    })

    test('a sleep is over in another worker, by the time that the first one set', async () => {
      await opened().start('r3', 'sleeper', 10 * SHORT_MS)
      const { waitsFor } = await opened().suspended('r3')
      await opened().workAnew()
      await opened().ended('r3')
      const { endedAt } = await opened().engine.describe('r3')
      expect(endedAt).toBeGreaterThanOrEqual(waitsFor?.until ?? Number.POSITIVE_INFINITY)
    })

    test('a wait with a time-out is over when time is up; one that was answered before is not', async () => {
      await opened().start('r4', 'overdue')
      await opened().signal('r4', 'there', 'in time')
      expect(await opened().ended('r4')).toEqual({ ok: ['WAIT_TIMEOUT', 'in time'] })
    })

    test('a condition is looked at again until it holds, also by a worker that has not seen it', async () => {
      await opened().start('r5', 'patient')
      await opened().suspended('r5')
      await opened().workAnew()
      expect(await opened().ended('r5')).toEqual({ ok: 'after 3' })
    })

    test('a start may lie in the future, be signalled to before, and be cancelled', async () => {
      const { engine } = opened()
      const start = { program: 'sleeper', input: 0 }
      await engine.start('soon', start, { startAt: Date.now() + 10 * SHORT_MS })
      await engine.start('far', start, { startAt: Date.now() + DAY_MS })
      await opened().signal('far', 'news')
      expect(await opened().ended('soon')).toHaveProperty('ok')
      expect((await engine.describe('far')).status).toBe('pending')
      await engine.cancel('far', 'not any more')
      expect(await opened().ended('far')).toMatchObject({ cancelled: 'not any more' })
    })
  },
}
