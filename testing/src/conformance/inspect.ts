/** What can be seen of a run from outside, in each of its states; and, where it lists runs, how they are found. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { type Inside, inside } from './inside.ts'
import type { Section } from './section.ts'

const program = () =>
  createWorkflow('seen', async (ctx, ends: string) => {
    ctx.status({ phase: 'begun' })
    await ctx.step('first', () => {})
    await ctx.signal('go', { timeout: '1d' })
    if (ends === 'fails') throw new Error('as it was told to')
    return ends
  })

/** Runs in each status. */
async function runsOf(opened: Inside): Promise<void> {
  for (const [runId, ends] of [
    ['completed', 'completes'],
    ['failed', 'fails'],
    ['cancelled', 'is cancelled'],
    ['suspended', 'waits'],
  ] as const) {
    await opened.start(runId, 'seen', ends, { tenant: ends === 'fails' ? 't1' : 't2', tags: { ends } })
    await opened.suspended(runId)
  }
  await opened.signal('completed', 'go')
  await opened.signal('failed', 'go')
  await opened.engine.cancel('cancelled', 'enough')
  for (const runId of ['completed', 'failed', 'cancelled']) await opened.ended(runId)
  await opened.rest()
  await opened.start('pending', 'seen', 'waits')
}

export const inspecting: Section = {
  title: 'a run can be looked at, whether or not anybody works',
  register({ under }) {
    const opened = inside(under, [program()])

    test('each status, with what belongs to it', async () => {
      await runsOf(opened())
      const { engine } = opened()
      for (const status of ['completed', 'failed', 'cancelled', 'suspended', 'pending'] as const) {
        const seen = await engine.describe(status)
        expect(seen).toMatchObject({ id: status, status, program: 'seen', start: { program: 'seen' } })
        expect(seen.createdAt).toBeLessThanOrEqual(seen.updatedAt)
        const hasEnded = status === 'completed' || status === 'failed' || status === 'cancelled'
        expect([seen.outcome !== undefined, seen.endedAt !== undefined]).toEqual([hasEnded, hasEnded])
        expect(seen.steps).toBe(status === 'pending' ? 0 : 1)
        expect(seen.crashes).toBe(0)
        expect(seen.waitsFor?.signals).toEqual(status === 'suspended' ? ['go'] : undefined)
      }
      const waits = await engine.describe('suspended')
      expect(waits.waitsFor?.until).toBeGreaterThan(waits.createdAt)
      expect(waits).toMatchObject({ tags: { ends: 'waits' }, tenant: 't2' })
    })

    test('who waits for a change is told, and let go by an abort', async () => {
      const { engine } = opened()
      const aborted = new AbortController()
      const waiting = engine.changed('suspended', { status: 'suspended' }, aborted.signal)
      aborted.abort()
      await waiting
      await engine.changed('completed', { status: 'running' })
      const told = engine.changed('pending', { status: 'pending' })
      await opened().work()
      await told
      expect((await opened().suspended('pending')).status).toBe('suspended')
    })

    test('who waits for the end is told of it', async () => {
      const { engine } = opened()
      const told = engine.changed('suspended', { status: 'suspended', untilEnd: true })
      await engine.cancel('suspended', 'enough')
      await told
      await engine.changed('completed', { status: 'completed', untilEnd: true })
    })
  },
}

export const listing: Section = {
  title: 'runs can be listed and found',
  skip: ({ abilities }) => (abilities.list ? undefined : 'its manifest says that it cannot list runs'),
  register({ under }) {
    const opened = inside(under, [program()])
    const found = async (query: Parameters<NonNullable<Inside['engine']['list']>>[0]): Promise<readonly string[]> =>
      ((await opened().engine.list?.(query))?.items ?? []).map(({ id }) => id)

    test('newest first, by status, program, tenant, tag and time', async () => {
      await runsOf(opened())
      expect(await found({})).toEqual(['pending', 'suspended', 'cancelled', 'failed', 'completed'])
      expect(await found({ status: 'failed' })).toEqual(['failed'])
      expect(await found({ status: ['completed', 'cancelled'] })).toEqual(['cancelled', 'completed'])
      expect(await found({ program: 'seen', tenant: 't1' })).toEqual(['failed'])
      expect(await found({ program: 'unseen' })).toEqual([])
      expect(await found({ tag: { key: 'ends', value: 'waits' } })).toEqual(['suspended'])
      const { createdAt } = await opened().engine.describe('failed')
      expect(await found({ createdFrom: createdAt })).toContain('failed')
      expect(await found({ createdBefore: createdAt })).toEqual(['completed'])
    })

    test('in pages, each run once', async () => {
      const seen: string[] = []
      for (let after: string | undefined = ''; after !== undefined; ) {
        const page: Awaited<ReturnType<NonNullable<Inside['engine']['list']>>> | undefined =
          await opened().engine.list?.({ limit: 2, ...(after !== '' && { after }) })
        seen.push(...(page?.items ?? []).map(({ id }) => id))
        expect(page?.items.length).toBeLessThanOrEqual(2)
        after = page?.next
      }
      expect(seen).toEqual(['pending', 'suspended', 'cancelled', 'failed', 'completed'])
      await expect(opened().engine.list?.({ after: 'no page of ours' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
      await expect(opened().engine.list?.({ limit: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    })

    test('by an id of any characters, of a program that nobody has', async () => {
      const runId = 'o\'brien/1 "§" %'
      await opened().start(runId, 'nobody has it', null, { tags: { "it's": 'a tag' } })
      expect(await found({ program: 'nobody has it', status: ['pending'] })).toEqual([runId])
      expect(await found({ tag: { key: "it's", value: 'a tag' } })).toEqual([runId])
      expect(await opened().engine.describe(runId)).toMatchObject({ id: runId, status: 'pending' })
    })
  },
}
