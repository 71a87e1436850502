/** What fails and is made again: attempts of a step. */
import { TerminalError } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const PAUSE_MS = 30

export const retries: Section = {
  title: 'attempts of a step',
  register({ under }) {
    const attempts: string[] = []
    const flaky = createWorkflow('flaky', async (ctx, failures: number) =>
      ctx.step(
        'flaky',
        (at) => {
          attempts.push(`${ctx.runId} ${at.attempt} ${at.idempotencyKey}`)
          if (at.attempt <= failures) throw new Error(`attempt ${at.attempt} failed`)
          return at.attempt
        },
        { retry: { maxAttempts: 3, initial: PAUSE_MS, factor: 1, jitter: 'none' } },
      ),
    )
    const hopeless = createWorkflow('hopeless', (ctx) =>
      ctx.step('hopeless', (at) => {
        attempts.push(`${ctx.runId} ${at.attempt}`)
        throw new TerminalError('no use')
      }),
    )
    const caught = createWorkflow('caught', async (ctx) => {
      const failed = await ctx
        .step('fails', () => {
          throw Object.assign(new RangeError('too far'), { code: 'FAR' })
        })
        .catch((error: Error & { cause: Error & { code: string } }) => error)
      await ctx.signal('go')
      return failed instanceof Error
        ? [failed.name, failed.cause.name, failed.cause.message, failed.cause.code]
        : failed
    })
    const opened = inside(under, [flaky, hopeless, caught])
    const of = (runId: string): readonly string[] => attempts.filter((line) => line.startsWith(`${runId} `))

    test('a step that fails is made again, under the same idempotency key', async () => {
      expect(await opened().play('r1', 'flaky', 2)).toEqual({ ok: 3 })
      const keys = new Set(of('r1').map((line) => line.split(' ')[2]))
      expect([of('r1').length, keys.size]).toEqual([3, 1])
    })

    test('when its attempts are used up, the run fails with what the author threw', async () => {
      expect(await opened().play('r2', 'flaky', 3)).toMatchObject({
        error: { name: 'StepError', code: 'STEP_FAILED', cause: { name: 'Error', message: 'attempt 3 failed' } },
        step: 'flaky',
      })
      expect(of('r2').length).toBe(3)
      expect(await opened().engine.describe('r2')).toMatchObject({ status: 'failed' })
    })

    test('what says that it is no use is not made again', async () => {
      expect(await opened().play('r3', 'hopeless')).toMatchObject({ error: { cause: { message: 'no use' } } })
      expect(of('r3').length).toBe(1)
    })

    test('attempts are counted over workers', async () => {
      await opened().start('r4', 'flaky', 2)
      await opened().until('r4', ({ entries }) => entries >= 2)
      await opened().workAnew()
      expect(await opened().ended('r4')).toEqual({ ok: 3 })
      expect(of('r4').map((line) => line.split(' ')[1])).toEqual(['1', '2', '3'])
    })

    test('an error that is caught is the same before and after a cold start', async () => {
      await opened().start('r5', 'caught')
      await opened().suspended('r5')
      await opened().workAnew()
      await opened().signal('r5', 'go')
      expect(await opened().ended('r5')).toEqual({ ok: ['StepError', 'RangeError', 'too far', 'FAR'] })
    })
  },
}
