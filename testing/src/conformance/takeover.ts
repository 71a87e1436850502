/** Workers die for good; others go on, and what was asked for in between counts. */
import { expect, test } from 'vitest'
import { answerOpen, sendSignals } from '../crash/drive-run.ts'
import { checkEnd, checkMoment, checkNotAgain } from '../crash/invariants.ts'
import { Site } from '../crash/site.ts'
import { ended } from '../watching.ts'
import { undisturbed } from './beforehand.ts'
import { NEXT_VERSION, ORDER, PATIENT_MS } from './given.ts'
import { patiently } from './lives.ts'
import type { Section } from './section.ts'
import { survivors } from './survivors.ts'

const { scenario } = ORDER

export const takeover: Section = {
  title: 'the work of a dead worker is taken over',
  skip: survivors,
  register({ under }) {
    const baseline = undisturbed(under, ORDER)

    const at = (title: string, body: (site: Site) => Promise<void>): void => {
      test(
        title,
        async () => {
          const site = new Site(under, ORDER)
          try {
            await body(site)
          } finally {
            await site.close()
          }
        },
        PATIENT_MS,
      )
    }

    /** A worker that dies in its n-th effect, with the run started. */
    const dieAt = async (site: Site, hit: number): Promise<void> => {
      await site.with((engine) => engine.start(site.runId, scenario.start))
      const victim = site.spawn('work', { kill: { moment: 'effect.after', hit } })
      expect(await victim.exited).toEqual({ code: null, signal: 'SIGKILL' })
    }

    at('by a worker that is there already, without a restart of anything', async (site) => {
      const victim = site.spawn('work', { kill: { moment: 'effect.after', hit: 3 } })
      await victim.says((news) => news.ready)
      // It learns of the run first, as the other one is not there yet.
      await site.with((engine) => engine.start(site.runId, scenario.start))
      const standby = site.spawn('work')
      await standby.says((news) => news.ready)
      expect(await victim.exited).toEqual({ code: null, signal: 'SIGKILL' })
      const before = await site.look()
      expect(await site.drive()).toEqual(baseline().outcome)
      const sight = await site.look()
      expect([...checkMoment(scenario, sight), ...checkNotAgain(before, sight.lines)]).toEqual([])
      expect(checkEnd(scenario, baseline(), sight)).toEqual([])
      expect(sight.lines.slice(before.lines.length).every(({ pid }) => pid === standby.pid)).toBe(true)
    })

    at('by one that is started later', async (site) => {
      await dieAt(site, 3)
      const before = await site.look()
      site.spawn('work')
      expect(await site.drive()).toEqual(baseline().outcome)
      expect(checkNotAgain(before, (await site.look()).lines)).toEqual([])
    })

    at('not by one that has its program in another version only; by one that has it, beside that one', async (site) => {
      const { module, scenario: next } = NEXT_VERSION
      const doesNext = (runId: string): Promise<void> =>
        site.with(async (engine) => {
          await engine.start(runId, next.start)
          expect(await ended(engine, runId)).toHaveProperty('ok')
        })
      await site.spawn('work', { scenario: module }).says((news) => news.ready)
      await doesNext('next-1')
      await site.with((engine) => engine.start(site.runId, scenario.start))
      // It has had the time to look at that run, and more.
      await doesNext('next-2')
      expect(await site.look()).toMatchObject({ lines: [], runs: [{ status: 'pending' }] })
      const right = [site.spawn('work'), site.spawn('drive')] as const
      expect(await patiently(right[1])).toEqual({ code: 0, signal: null })
      const sight = await site.look()
      expect([...checkMoment(scenario, sight), ...checkEnd(scenario, baseline(), sight)]).toEqual([])
      expect(sight.lines.every(({ pid }) => right.some((each) => each.pid === pid))).toBe(true)
      await doesNext('next-3')
    })

    at('with a cancel that came while nobody worked: nothing more happens', async (site) => {
      await dieAt(site, 3)
      await site.with((engine) => engine.cancel(site.runId, 'enough'))
      const before = await site.look()
      const next = site.spawn('work')
      await next.says((news) => news.ready)
      expect(await site.drive()).toEqual({ cancelled: 'enough' })
      const after = await site.look()
      expect(after.lines).toEqual(before.lines)
      expect(after.runs[0]?.status).toBe('cancelled')
      expect(checkMoment(scenario, after)).toEqual([])
    })

    at('with signals and answers that came while nobody worked: each counts once', async (site) => {
      const workUntil = async (waiting: (signals: readonly string[]) => boolean): Promise<void> => {
        const worker = site.spawn('work')
        await site.with(async (engine) => {
          for (;;) {
            const { status, entries, waitsFor } = await engine.describe(site.runId)
            if (status === 'suspended' && waiting(waitsFor?.signals ?? [])) break
            await engine.changed(site.runId, { status, entries })
          }
        })
        worker.kill()
        await worker.exited
      }
      await site.with((engine) => engine.start(site.runId, scenario.start))
      await workUntil((signals) => signals.includes('paid'))
      await site.with(async (engine) => {
        const paid = { id: 'paid-1', name: 'paid', payload: 42 }
        expect(await engine.signal(site.runId, paid)).toEqual({ accepted: true })
        expect(await engine.signal(site.runId, { ...paid, payload: 43 })).toMatchObject({
          accepted: false,
          first: paid,
        })
      })
      await workUntil((signals) => signals.some((name) => name.startsWith('ap_')))
      await site.with((engine) => answerOpen(engine, scenario, site.runId, site.outside))
      site.spawn('work')
      expect(await site.drive()).toEqual(baseline().outcome)
      expect(checkMoment(scenario, await site.look())).toEqual([])
    })

    at('not for ever where every worker dies at the same step; a retry goes on from there', async (site) => {
      // Whatever comes later would be journaled, and count as something that a worker got done.
      await site.with(async (engine) => {
        await engine.start(site.runId, scenario.start)
        await sendSignals(engine, scenario, site.runId)
      })
      // "price" is the second effect of the first process, which dies having done something, and the first of the others.
      for (const hit of [2, 1, 1, 1, 1]) {
        expect(await site.spawn('work', { kill: { moment: 'effect.before', hit } }).exited).toMatchObject({
          signal: 'SIGKILL',
        })
      }
      // Five have died of it. Whoever counts claims by what they got done does not count the first; it needs a sixth.
      const sixth = site.spawn('work', { kill: { moment: 'effect.before', hit: 1 } })
      await Promise.race([sixth.exited, site.with((engine) => ended(engine, site.runId))])
      sixth.kill()
      site.spawn('work')
      expect(await site.drive()).toMatchObject({
        error: { code: 'CRASH_LOOP', message: expect.stringContaining('price') },
      })
      await site.with(async (engine) => await engine.retry?.(site.runId))
      expect(await site.drive()).toEqual(baseline().outcome)
      const sight = await site.look()
      expect(checkMoment(scenario, sight)).toEqual([])
      expect(checkEnd(scenario, baseline(), sight)).toEqual([])
    })
  },
}
