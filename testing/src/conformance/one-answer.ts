/** I4: of many processes that answer one question, one counts, and the others are told who was first. */
import { expect, test } from 'vitest'
import { checkMoment } from '../crash/invariants.ts'
import { Site } from '../crash/site.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'

const PROCESSES = 10

export const oneAnswer: Section = {
  title: 'one answer counts',
  skip({ abilities, survives }) {
    if (survives === 'nothing') return 'its runs cannot be seen by two processes'
    return abilities.approvals ? undefined : 'its manifest says that it keeps no approvals'
  },
  register({ under }) {
    test(
      `of ${PROCESSES} processes that answer one approval at once`,
      async () => {
        const site = new Site(under, ORDER)
        const { scenario } = ORDER
        try {
          await site.with((engine) => engine.start(site.runId, scenario.start))
          site.spawn('work')
          const question = await site.with(async (engine) => {
            await engine.signal(site.runId, { id: 'paid-1', name: 'paid', payload: 42 })
            for (;;) {
              const { status, entries } = await engine.describe(site.runId)
              const [open] = (await engine.questions?.({ runId: site.runId, status: 'open' }))?.items ?? []
              if (open !== undefined) return open.id
              await engine.changed(site.runId, { status, entries })
            }
          })
          const processes = Array.from({ length: PROCESSES }, () => site.spawn('answer', { question }))
          await Promise.all(processes.map((each) => each.says((news) => news.ready)))
          for (const each of processes) each.tell('go')
          const answers = await Promise.all(
            processes.map(async (each) => ({ pid: each.pid, answer: await each.says((news) => news.answered) })),
          )
          const [first, ...others] = answers.filter(({ answer }) => answer.accepted)
          expect(others).toEqual([])
          const told = answers.filter((each) => each !== first).map(({ answer }) => answer)
          expect(told).toEqual(
            Array.from({ length: PROCESSES - 1 }, () => ({
              accepted: false,
              by: `process ${first?.pid}`,
              at: told[0]?.at,
              payload: { approved: true, value: first?.pid },
            })),
          )
          expect(told[0]?.at).toBeTypeOf('number')
          await site.drive()
          const sight = await site.look()
          expect(checkMoment(scenario, sight)).toEqual([])
          expect(sight.lines.filter(({ name }) => name === 'mail').length).toBe(1)
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )
  },
}
