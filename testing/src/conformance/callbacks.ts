/** Callbacks: one id, handed outside, for one answer. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

export const callbacks: Section = {
  title: 'callbacks',
  register({ under }) {
    const handedOut = new Map<string, string>()
    const ordered = createWorkflow('ordered', async (ctx) => {
      const paid = ctx.callback<{ readonly amount: number }>('paid')
      await ctx.step('order', () => void handedOut.set(ctx.runId, paid.id))
      const { amount } = await paid.result
      return await ctx.step('ship', () => `shipped for ${amount}`)
    })
    const overdue = createWorkflow('overdue', (ctx) =>
      ctx.callback('paid', { timeout: 20 }).result.catch((error: Error & { code: string }) => error.code),
    )
    const opened = inside(under, [ordered, overdue])
    const answer = (runId: string, amount: number, by: string) => {
      const id = handedOut.get(runId) ?? ''
      return opened().engine.signal(runId, { id, name: id, payload: { value: { amount } }, by })
    }

    test('an answer comes to the run that handed its id out, in whatever worker', async () => {
      await opened().start('r1', 'ordered')
      await opened().suspended('r1')
      expect(handedOut.get('r1')).toMatch(/^cb_/)
      await opened().workAnew()
      await answer('r1', 42, 'the bank')
      expect(await opened().ended('r1')).toEqual({ ok: 'shipped for 42' })
    })

    test('the first answer counts, and the second sender is told whose it is (I4)', async () => {
      await opened().start('r2', 'ordered')
      await opened().suspended('r2')
      const receipts = await Promise.all([1, 2, 3].map((n) => answer('r2', n, `sender ${n}`)))
      const losers = receipts.filter(({ accepted }) => !accepted)
      expect(losers.length).toBe(2)
      const first = await opened().engine.journal('r2', 0)
      const taken = first.flatMap((entry) => (entry.type === 'signal' ? [entry.signal] : []))
      for (const loser of losers) expect(loser).toMatchObject({ first: { id: handedOut.get('r2') } })
      await opened().ended('r2')
      expect(taken.length).toBeLessThanOrEqual(1)
    })

    test('without an answer it is over when time is up', async () => {
      expect(await opened().play('r3', 'overdue')).toEqual({ ok: 'WAIT_TIMEOUT' })
    })
  },
}
