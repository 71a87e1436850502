/** Cancel: a command, at any moment of a run (I7, I10). */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import { leaveOut, NO_RETRY } from './leave-out.ts'
import type { Section } from './section.ts'

export const cancelling: Section = {
  title: 'cancel',
  register({ under, manifest }) {
    const seen: string[] = []
    const begun = new Map<string, () => void>()
    const begins = (runId: string): Promise<void> => new Promise((resolve) => void begun.set(runId, resolve))
    const waiting = createWorkflow('waiting', (ctx) => ctx.signal('never'))
    const busy = createWorkflow('busy', async (ctx) => {
      await ctx.step('busy', ({ abortSignal }) => {
        begun.get(ctx.runId)?.()
        return new Promise((_, reject) => {
          abortSignal.addEventListener('abort', () => {
            seen.push(`${ctx.runId} aborted`)
            reject(abortSignal.reason)
          })
        })
      })
    })
    const stubborn = createWorkflow('stubborn', async (ctx) => {
      ctx.onCancel(async (shielded) => {
        await shielded.step('clean', () => void seen.push(`${ctx.runId} cleaned`))
      })
      const error = await ctx.signal('never').catch((cause: Error) => cause)
      seen.push(`${ctx.runId} ${error instanceof Error ? error.name : 'no error'}`)
      await ctx.step('more', () => void seen.push(`${ctx.runId} went on`))
      return 'finished all the same'
    })
    const patient = createWorkflow('patient', (ctx) => ctx.signal('go'))
    const opened = inside(under, [waiting, busy, stubborn, patient])
    const of = (runId: string): readonly string[] =>
      seen.flatMap((line) => (line.startsWith(`${runId} `) ? [line.slice(runId.length + 1)] : []))

    test('a run that waits is cancelled, with the reason', async () => {
      await opened().start('r1', 'waiting')
      await opened().suspended('r1')
      await opened().engine.cancel('r1', 'not needed')
      expect(await opened().ended('r1')).toMatchObject({ cancelled: 'not needed' })
      expect(await opened().engine.describe('r1')).toMatchObject({ status: 'cancelled' })
    })

    test('a step that runs is told by its abort signal', async () => {
      const beginning = begins('r2')
      await opened().start('r2', 'busy')
      await beginning
      await opened().engine.cancel('r2', 'stop')
      expect(await opened().ended('r2')).toMatchObject({ cancelled: 'stop' })
      expect(of('r2')).toEqual(['aborted'])
    })

    test('what waits rejects with an AbortError, nothing new begins but what cleans up, and the run is cancelled', async () => {
      await opened().start('r3', 'stubborn')
      await opened().suspended('r3')
      await opened().engine.cancel('r3', 'stop')
      expect(await opened().ended('r3')).toMatchObject({ cancelled: 'stop' })
      expect(of('r3')).toEqual(['AbortError', 'cleaned'])
    })

    // Where a run hears nothing before it has begun, its step may begin: then it is told.
    test('a run that nobody has begun is cancelled, and finishes nothing', async () => {
      await opened().rest()
      await opened().start('r4', 'busy')
      await opened().engine.cancel('r4', 'changed my mind')
      await opened().work()
      expect(await opened().ended('r4')).toMatchObject({ cancelled: 'changed my mind' })
      expect([[], ['aborted']]).toContainEqual(of('r4'))
    })

    test('a second cancel changes nothing, and a run that has ended stays as it ended', async () => {
      await opened().engine.cancel('r1', 'again')
      expect((await opened().engine.describe('r1')).outcome).toMatchObject({ cancelled: 'not needed' })
    })

    const title = 'a cancelled run that is retried goes on, and can be cancelled again'
    if (manifest.abilities.retry !== true) leaveOut(title, NO_RETRY)
    else {
      test(title, async () => {
        await opened().start('r5', 'patient')
        for (const reason of ['one', 'two']) {
          await opened().suspended('r5')
          await opened().engine.cancel('r5', reason)
          expect(await opened().ended('r5')).toMatchObject({ cancelled: reason })
          await opened().engine.retry?.('r5')
        }
        await opened().signal('r5', 'go', 'on')
        expect(await opened().ended('r5')).toEqual({ ok: 'on' })
      })
    }
  },
}
