/** A run that has failed, and is told to go on. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import { NO_RETRY } from './leave-out.ts'
import type { Section } from './section.ts'

export const runRetry: Section = {
  title: 'a failed run that is retried',
  skip: ({ abilities }) => (abilities.retry === true ? undefined : NO_RETRY),
  register({ under }) {
    const made: string[] = []
    const broken = new Set(['r1', 'r2', 'r3'])
    const repaired = createWorkflow('repaired', async (ctx) => {
      for (const name of ['a', 'b', 'c']) {
        await ctx.step(name, () => {
          made.push(`${ctx.runId} ${name}`)
          if (name === 'b' && broken.has(ctx.runId)) throw new Error('broken')
        })
      }
      return 'whole'
    })
    const called = createWorkflow('called', async (ctx) => {
      await ctx.step('call', async () => {
        made.push(`${ctx.runId} call`)
        if (made.filter((line) => line === `${ctx.runId} call`).length > 1) return
        await opened().signal(ctx.runId, 'answer', 'heard')
        throw new Error('broken')
      })
      return await ctx.signal('answer')
    })
    const opened = inside(under, [repaired, called])

    test('goes on with the step that failed; what was done before stands', async () => {
      expect(await opened().play('r1', 'repaired')).toMatchObject({ step: 'b' })
      broken.delete('r1')
      await opened().workAnew()
      await opened().engine.retry?.('r1')
      expect(await opened().until('r1', ({ outcome }) => outcome !== undefined)).toMatchObject({
        status: 'completed',
        outcome: { ok: 'whole' },
      })
      expect(made.filter((line) => line.startsWith('r1 '))).toEqual(['r1 a', 'r1 b', 'r1 b', 'r1 c'])
    })

    test('hears what was sent to it while it failed, once', async () => {
      expect(await opened().play('r4', 'called')).toMatchObject({ step: 'call' })
      await opened().workAnew()
      await opened().engine.retry?.('r4')
      expect(await opened().ended('r4')).toEqual({ ok: 'heard' })
      const signals = (await opened().engine.journal('r4', 0)).filter(({ type }) => type === 'signal')
      expect(signals).toHaveLength(1)
    })

    test('may fail again, and be retried again', async () => {
      for (const _ of [1, 2, 3]) {
        if (made.includes('r2 b')) await opened().engine.retry?.('r2')
        else await opened().start('r2', 'repaired')
        expect(await opened().ended('r2')).toMatchObject({ step: 'b' })
      }
      expect(made.filter((line) => line === 'r2 b').length).toBe(3)
    })

    test('is refused for a run that has completed, and for one that goes on', async () => {
      broken.delete('r3')
      await opened().play('r3', 'repaired')
      await expect(opened().engine.retry?.('r3')).rejects.toMatchObject({ message: expect.stringContaining('r3') })
      await expect(opened().engine.retry?.('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  },
}
