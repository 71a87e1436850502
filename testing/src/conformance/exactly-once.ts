/** EO, by the bank: what should happen once happens once, whoever dies between the deed and its record. */
import { expect, test } from 'vitest'
import { eachFor } from '../bank/ledger.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { Site } from '../crash/site.ts'
import { faults, figure, refunds } from '../refunds/experiment.ts'
import { experiment, returns, WAYS } from '../refunds/returns.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { leaveOut } from './leave-out.ts'
import { type End, live, misdeeds, patiently } from './lives.ts'
import type { Section } from './section.ts'
import { reached, survivors } from './survivors.ts'

const KILLS = 25

export const exactlyOnce: Section = {
  title: 'EO, effect exactly-once: killed between effect and record, nothing is done twice and nothing left out',
  skip: survivors,
  register({ under, manifest }) {
    const kills = under.plays?.seeds ?? KILLS
    const { sliceMs } = manifest.limits
    const honouring = openBank()
    const forgetful = openBank({ honoursKeys: false })

    test(
      `the refund experiment: ${kills} kills`,
      async () => {
        const found = await refunds(
          under,
          experiment,
          Array.from({ length: kills }, (_, seed) => seed),
        )
        console.info(figure(found))
        expect(faults(found)).toEqual([])
        expect(found.duplicates).toMatchObject({ idempotent: 0, once: 0, asked: 0 })
        expect(found.without.plain).toBeGreaterThanOrEqual(kills)
      },
      PATIENT_MS,
    )

    test.each(WAYS)(
      'killed again and again around one deed: %s',
      async (way) => {
        const bank = way === 'idempotent' ? honouring() : forgetful()
        const runId = `again-${way}`
        const ends: readonly End[] = [
          { moment: 'effect.before', hit: 1 },
          ...(way === 'idempotent' ? [{ deed: 'refund', order: runId } as const] : []),
          { moment: 'effect.after', hit: 1, thenAt: 'host.after-effect' },
          { moment: reached(under, 'host.before-append'), hit: 1 },
        ]
        const { lives, outcome, wrong, unkilled } = await live(under, returns({ order: runId, way }), bank, runId, ends)
        expect([...wrong, ...unkilled]).toEqual([])
        expect(misdeeds(lives.at(-1)?.lines ?? [], eachFor(runId))).toEqual([])
        expect(outcome).toEqual({ ok: ['refund of 4200', 'charge of 350', 'Your money is on its way.'] })
      },
      PATIENT_MS,
    )

    test.each([
      ['once', 'drop'],
      ['once', 'drop-before'],
      ['once', 'refuse'],
      ['asked', 'drop'],
      ['asked', 'drop-before'],
    ] as const)(
      'the connection is lost, or the bank refuses, and nobody dies: %s, %s',
      async (way, how) => {
        const runId = `lost-${way}-${how}`
        const site = new Site(under, returns({ order: runId, way }), { runId, bank: forgetful().url })
        try {
          await forgetful().expect({ deed: 'refund', order: runId, how })
          expect((await patiently(site.spawn('drive'))).code).toBe(0)
          const [run] = (await site.look()).runs
          // A refund that has not happened has failed: whoever retries the run makes it, once.
          if (run?.status === 'failed') {
            expect(how).not.toBe('drop')
            await site.with(async (engine) => await engine.retry?.(runId))
            expect((await patiently(site.spawn('drive'))).code).toBe(0)
          }
          const lines = forgetful().lines(runId)
          expect(misdeeds(lines, eachFor(runId))).toEqual([])
          expect((await site.look()).runs[0]?.status).toBe('completed')
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )

    for (const moment of ['host.before-effect', 'effect.before'] as const) {
      const title = `a worker that stands still at ${moment}, and does it when another one has its run`
      if (sliceMs !== undefined)
        leaveOut(title, `its manifest says that whoever takes longer than ${sliceMs} ms is ended`)
      else test(title, () => wakesLate(moment), PATIENT_MS)
    }

    /** It is alive: that it has not refunded yet is no reason to do it in its place. */
    async function wakesLate(moment: Moment): Promise<void> {
      const runId = `late-${moment}`
      const given = returns({ order: runId, way: 'once' })
      const site = new Site(under, given, { runId, bank: forgetful().url, leaseMs: 400 })
      try {
        await site.with((engine) => engine.start(runId, given.scenario.start))
        const still = site.spawn('work', { kill: { moment, hit: 1, signal: 'SIGSTOP' } })
        await still.says((news) => news.stopping)
        const next = site.spawn('work')
        await site.with(async (engine) => {
          for (;;) {
            const { status, entries, outcome } = await engine.describe(runId)
            const open = await engine.questions?.({ runId, status: 'open', kind: 'unknown' })
            if (outcome !== undefined || (open?.items.length ?? 0) > 0) break
            await engine.changed(runId, { status, entries })
          }
        })
        const woken = forgetful().next((line) => line.order === runId && line.deed === 'refund')
        still.kill('SIGCONT')
        await woken
        expect(await site.drive()).toHaveProperty('ok')
        next.kill()
        const lines = forgetful().lines(runId)
        expect(misdeeds(lines, eachFor(runId))).toEqual([])
      } finally {
        await site.close()
      }
    }
  },
}
