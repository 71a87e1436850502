/** What a run did is undone when it fails or is cancelled: newest first, each once, whoever works. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

export const sagas: Section = {
  title: 'sagas: what was done is undone',
  register({ under }) {
    const log: string[] = []
    const trip = createWorkflow('trip', async (ctx, ends: string) => {
      for (const name of ['flight', 'hotel', 'car']) {
        await ctx.step(name, () => `${name} of ${ctx.runId}`, {
          compensate: ({ result }) => void log.push(`${ctx.runId} ${result}`),
        })
      }
      await ctx.signal('go')
      if (ends === 'fails') {
        await ctx.step('pay', () => {
          throw new Error('no money')
        })
      }
      return 'travelled'
    })
    const opened = inside(under, [trip])
    const undone = (runId: string): readonly string[] => log.filter((line) => line.startsWith(`${runId} `))
    const NEWEST_FIRST = (runId: string) => ['car', 'hotel', 'flight'].map((name) => `${runId} ${name} of ${runId}`)

    test('a run that fails', async () => {
      await opened().start('r1', 'trip', 'fails')
      await opened().signal('r1', 'go')
      expect(await opened().ended('r1')).toMatchObject({ error: { cause: { message: 'no money' } }, step: 'pay' })
      expect(undone('r1')).toEqual(NEWEST_FIRST('r1'))
    })

    test('a run that is cancelled while no worker has it in memory', async () => {
      await opened().start('r2', 'trip', 'waits')
      await opened().suspended('r2')
      await opened().workAnew()
      await opened().engine.cancel('r2', 'home')
      expect(await opened().ended('r2')).toMatchObject({ cancelled: 'home' })
      expect(undone('r2')).toEqual(NEWEST_FIRST('r2'))
    })

    test('a run that completes is left as it is', async () => {
      await opened().start('r3', 'trip', 'completes')
      await opened().signal('r3', 'go')
      expect(await opened().ended('r3')).toEqual({ ok: 'travelled' })
      expect(undone('r3')).toEqual([])
    })
  },
}
