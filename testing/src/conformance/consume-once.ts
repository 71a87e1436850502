/**
 * CO, by the bank, which honours no keys here: an answer or a signal has one consumer and one effect, however many send it,
 * however many workers wake, and whoever dies in between.
 */
import { expect, test } from 'vitest'
import { consent } from '../crash/consent.ts'
import { sendSignals } from '../crash/drive-run.ts'
import type { KillAt } from '../crash/kill-switch.ts'
import type { TaskProcess } from '../crash/process.ts'
import { Site } from '../crash/site.ts'
import { ended } from '../watching.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { leaveOut } from './leave-out.ts'
import { misdeeds, patiently } from './lives.ts'
import type { Section } from './section.ts'
import { neverAt, survivors } from './survivors.ts'

const PEOPLE = 10
const WORKERS = 4

/** A worker that dies with an answer in its hands: on its way into the journal, and there but not acted upon. */
const DEATHS: readonly KillAt[] = [
  { moment: 'engine.after-claim', hit: 1 },
  { moment: 'host.before-append', hit: 1 },
  { moment: 'host.after-append', hit: 1 },
  { moment: 'effect.before', hit: 1 },
]

export const consumeOnce: Section = {
  title: 'CO, consume-once: one answer, one consumer, one effect',
  skip: (manifest) =>
    manifest.abilities.approvals ? survivors(manifest) : 'its manifest says that it keeps no approvals',
  register({ under }) {
    const bank = openBank({ honoursKeys: false })

    const at = async (runId: string, body: (site: Site) => Promise<void>): Promise<void> => {
      const site = new Site(under, consent(runId), { runId, bank: bank().url })
      try {
        await body(site)
        const lines = bank().lines(runId)
        expect(
          misdeeds(lines, [
            ['charge', runId],
            ['refund', runId],
          ]),
        ).toEqual([])
        const [run] = (await site.look()).runs
        expect(run?.outcome).toEqual({ ok: 'refunded' })
        const signals = run?.entries.flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : [])) ?? []
        expect(signals.length).toBe(2)
        expect(new Set(signals).size).toBe(2)
      } finally {
        await site.close()
      }
    }

    /** Resolves with the id of the question, when the run waits for its answer. */
    const asked = (site: Site): Promise<string> =>
      site.with(async (engine) => {
        for (;;) {
          const { status, entries } = await engine.describe(site.runId)
          const [open] = (await engine.questions?.({ runId: site.runId, status: 'open' }))?.items ?? []
          if (open !== undefined && status === 'suspended') return open.id
          await engine.changed(site.runId, { status, entries })
        }
      })
    const begin = async (site: Site): Promise<{ readonly question: string; readonly worker: TaskProcess }> => {
      await site.with(async (engine) => {
        await engine.start(site.runId, site.given.scenario.start)
        await sendSignals(engine, site.given.scenario, site.runId)
      })
      const worker = site.spawn('work')
      return { worker, question: await asked(site) }
    }
    /** Asked, approved, and nobody there. */
    const approvedAlone = async (site: Site): Promise<void> => {
      const { worker, question } = await begin(site)
      worker.kill()
      await worker.exited
      const approval = { id: question, name: question, payload: { approved: true } }
      await site.with((engine) => engine.signal(site.runId, approval))
    }

    test(
      `${PEOPLE} processes approve at once, while ${WORKERS} workers wait for it`,
      () =>
        at('people', async (site) => {
          const { question } = await begin(site)
          const workers = Array.from({ length: WORKERS - 1 }, () => site.spawn('work'))
          await Promise.all(workers.map((each) => each.says((news) => news.ready)))
          const people = Array.from({ length: PEOPLE }, () => site.spawn('answer', { question }))
          await Promise.all(people.map((each) => each.says((news) => news.ready)))
          for (const each of people) each.tell('go')
          const answers = await Promise.all(people.map((each) => each.says((news) => news.answered)))
          expect(answers.filter(({ accepted }) => accepted).length).toBe(1)
          await site.with((engine) => ended(engine, site.runId))
        }),
      PATIENT_MS,
    )

    test(
      `${WORKERS} processes resume what was approved while nobody was there`,
      () =>
        at('resumed', async (site) => {
          await approvedAlone(site)
          const workers = Array.from({ length: WORKERS }, () => site.spawn('drive'))
          const exits = await Promise.all(workers.map(patiently))
          expect(exits.map(({ code }) => code)).toEqual(workers.map(() => 0))
        }),
      PATIENT_MS,
    )

    for (const kill of DEATHS) {
      const title = `approved while its worker dies at ${kill.moment}`
      const never = neverAt(under, kill.moment)
      if (never !== undefined) {
        leaveOut(title, never)
        continue
      }
      test(
        title,
        () =>
          at(`dies at ${kill.moment}`, async (site) => {
            await approvedAlone(site)
            const victim = site.spawn('work', { kill })
            expect((await patiently(victim)).signal).toBe('SIGKILL')
            const exits = await Promise.all([site.spawn('drive'), site.spawn('drive')].map(patiently))
            expect(exits.map(({ code }) => code)).toEqual([0, 0])
          }),
        PATIENT_MS,
      )
    }
  },
}
