/** Questions to people: where they are found, who is first, and what is when nobody answers. */
import type { QuestionQuery, QuestionRecord } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

export const approvals: Section = {
  title: 'approvals',
  skip: ({ abilities }) => (abilities.approvals ? undefined : 'its manifest says that it keeps no approvals'),
  register({ under }) {
    const sent: string[] = []
    const asking = createWorkflow('asking', async (ctx, details: { readonly to: string }) => {
      const answer = await ctx.approval('send', { details })
      if (!answer.approved) return `not sent: ${answer.reason}`
      return await ctx.step('send', () => `sent ${sent.push(ctx.runId)}`, { effect: 'once' })
    })
    const overdue = createWorkflow('overdue', (ctx) => ctx.approval('send', { timeout: 20 }))
    const opened = inside(under, [asking, overdue])

    /** Resolves when the question of that run can be found. */
    async function asked(runId: string): Promise<QuestionRecord> {
      await opened().suspended(runId)
      const page = await opened().engine.questions?.({ runId, status: 'open' })
      const [question] = page?.items ?? []
      if (question === undefined) throw new Error(`run ${runId} is suspended, and its question cannot be found`)
      return question
    }
    const answer = ({ runId, id }: QuestionRecord, payload: { approved: boolean; reason?: string }, by = 'eve') =>
      opened().engine.signal(runId, { id, name: id, payload, by })

    test('a question is found with what it is about, by its run and by its id', async () => {
      await opened().start('r1', 'asking', { to: 'ann' })
      const question = await asked('r1')
      expect(question).toMatchObject({ runId: 'r1', kind: 'approval', name: 'send', status: 'open' })
      expect(JSON.stringify(question)).toContain('ann')
      expect(await opened().engine.question?.(question.id)).toEqual(question)
      await expect(opened().engine.question?.('ap_nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await answer(question, { approved: true })
      await opened().ended('r1')
      expect(await opened().engine.question?.(question.id)).toMatchObject({
        status: 'answered',
        answer: { by: 'eve', payload: { approved: true } },
      })
    })

    test('questions of all runs are listed, newest first, in pages, by status and by the tag of their run', async () => {
      for (const n of ['1', '2', '3']) {
        await opened().start(`l${n}`, 'asking', { to: 'all' }, { tags: { n } })
        await opened().suspended(`l${n}`)
      }
      await answer(await asked('l2'), { approved: false, reason: 'no' })
      await opened().ended('l2')
      await opened().rest()
      const { engine } = opened()
      const found = async (query: QuestionQuery): Promise<readonly string[]> =>
        ((await engine.questions?.(query))?.items ?? []).map(({ runId }) => runId)
      expect(await found({ status: 'open' })).toEqual(['l3', 'l1'])
      expect(await found({ tag: { key: 'n', value: '1' } })).toEqual(['l1'])
      const first = await engine.questions?.({ limit: 2 })
      expect(first?.items.map(({ runId }) => runId)).toEqual(['l3', 'l2'])
      expect((await found({ limit: 2, after: first?.next ?? '' }))[0]).toBe('l1')
      await opened().work()
    })

    test('an answer that comes while nobody works answers its question, and is acted on by whoever works next, once', async () => {
      await opened().start('r2', 'asking', { to: 'bob' })
      const question = await asked('r2')
      await opened().rest()
      expect(await answer(question, { approved: true })).toEqual({ accepted: true })
      const { engine } = opened()
      expect((await engine.questions?.({ runId: 'r2', status: 'open' }))?.items ?? []).toEqual([])
      if (engine.question !== undefined) {
        expect(await engine.question(question.id)).toMatchObject({ status: 'answered', answer: { by: 'eve' } })
      }
      await opened().work()
      expect(await opened().ended('r2')).toHaveProperty('ok')
      expect(sent.filter((runId) => runId === 'r2').length).toBe(1)
    })

    test('of several answers one counts, and the others are told whose it was (I4)', async () => {
      await opened().start('r3', 'asking', { to: 'cy' })
      const question = await asked('r3')
      const people = ['ann', 'bob', 'cy', 'dot']
      const receipts = await Promise.all(people.map((by) => answer(question, { approved: true }, by)))
      const winner = people[receipts.findIndex(({ accepted }) => accepted)]
      const losers = receipts.filter(({ accepted }) => !accepted)
      expect(losers).toMatchObject(Array(3).fill({ first: { by: winner, at: expect.any(Number) } }))
      await opened().ended('r3')
      expect(sent.filter((runId) => runId === 'r3').length).toBe(1)
    })

    test('a no brings its reason to the program', async () => {
      await opened().start('r4', 'asking', { to: 'dot' })
      await answer(await asked('r4'), { approved: false, reason: 'too early' })
      expect(await opened().ended('r4')).toEqual({ ok: 'not sent: too early' })
      expect(sent).not.toContain('r4')
    })

    test('nobody is denied silently: when time is up the run fails with APPROVAL_TIMEOUT', async () => {
      expect(await opened().play('r5', 'overdue')).toMatchObject({ error: { code: 'APPROVAL_TIMEOUT' } })
      const page = await opened().engine.questions?.({ runId: 'r5' })
      expect(page?.items.map(({ status }) => status)).not.toContain('open')
    })
  },
}
