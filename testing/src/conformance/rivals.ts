/** I3: of several live workers one has the run; the others write nothing. */
import { expect, test } from 'vitest'
import { sendSignals } from '../crash/drive-run.ts'
import { checkEnd, checkMoment, checkNotAgain, expectedOf } from '../crash/invariants.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { Site } from '../crash/site.ts'
import { ended, isSuspended, until } from '../watching.ts'
import { undisturbed } from './beforehand.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import { patiently } from './lives.ts'
import type { Section } from './section.ts'

/** So short that a worker that stands still is given up at once. */
const LEASE_MS = 400

/** Where a worker is stopped, to wake when another one has finished its run. */
const STOPS: readonly { readonly moment: Moment; readonly hit: number; readonly appends: boolean }[] = [
  { moment: 'host.before-append', hit: 3, appends: true },
  { moment: 'host.before-append', hit: 12, appends: true },
  { moment: 'host.after-append', hit: 1, appends: false },
  { moment: 'host.before-effect', hit: 2, appends: false },
  { moment: 'effect.after', hit: 6, appends: false },
  { moment: 'engine.before-suspend', hit: 2, appends: false },
  { moment: 'engine.before-finish', hit: 2, appends: false },
]

/**
 * The same where the engine keeps the journal: no append of ours could be refused. What holds is that the engine gives the run
 * to another worker, and that it takes nothing more from the first one.
 */
const STOPS_OF_ENGINES: typeof STOPS = [{ moment: 'effect.after', hit: 6, appends: false }]

/** Where such a worker is stopped, to wake when the run is another one's, which waits for an answer. */
const EARLY_STOPS_OF_ENGINES: readonly { readonly moment: Moment; readonly hit: number; readonly repeats: number }[] = [
  { moment: 'host.before-effect', hit: 2, repeats: 1 },
  { moment: 'host.before-reply', hit: 8, repeats: 0 },
]

/** Where a worker is stopped, to wake when another one has claimed its run and done nothing yet. */
const EARLY_STOPS: readonly { readonly moment: Moment; readonly hit: number; readonly appends: boolean }[] = [
  { moment: 'host.before-append', hit: 3, appends: true },
  { moment: 'host.after-effect', hit: 3, appends: true },
  { moment: 'engine.before-suspend', hit: 1, appends: false },
]

export const rivals: Section = {
  title: 'only who holds the run writes',
  skip: ({ survives }) => (survives === 'nothing' ? 'its runs cannot be seen by two processes' : undefined),
  register({ under, manifest }) {
    const isKeptByEngine = manifest.journal === 'engine'
    const baseline = undisturbed(under, ORDER)

    test(
      'two live workers race: every effect happens once',
      async () => {
        const site = new Site(under, ORDER)
        try {
          const processes = [site.spawn('drive'), site.spawn('drive')]
          const exits = await Promise.all(processes.map(({ exited }) => exited))
          expect(exits.map(({ code }) => code)).toEqual([0, 0])
          const sight = await site.look()
          const { scenario } = ORDER
          expect(checkMoment(scenario, sight)).toEqual([])
          expect(checkEnd(scenario, expectedOf(scenario, sight), sight)).toEqual([])
          const effects = sight.lines.map(({ runId, key, attempt }) => `${runId} ${key} ${attempt}`)
          expect(effects).toEqual([...new Set(effects)])
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )

    test.each(isKeptByEngine ? STOPS_OF_ENGINES : STOPS)(
      'a worker that was stopped at $moment (hit $hit) and wakes after its run was taken',
      async ({ moment, hit, appends }) => {
        const { scenario } = ORDER
        const site = new Site(under, ORDER, { leaseMs: LEASE_MS })
        try {
          const stopped = site.spawn('drive', { kill: { moment, hit, signal: 'SIGSTOP' } })
          await stopped.says((news) => news.stopping)
          const next = site.spawn('drive')
          expect(await patiently(next)).toEqual({ code: 0, signal: null })
          const taken = await site.look()
          expect(checkMoment(scenario, taken)).toEqual([])
          expect(checkEnd(scenario, baseline(), taken)).toEqual([])

          stopped.kill('SIGCONT')
          expect(await stopped.exited).toEqual({ code: 0, signal: null })
          const after = await site.look()
          expect(after.runs).toEqual(taken.runs)
          if (appends) expect(stopped.news.map(({ refused }) => refused)).toContain('LEASE_LOST')
          // It finishes what it had in flight: the step that it stopped in front of, and the quotes, which are made at once.
          const late = after.lines.slice(taken.lines.length)
          const others = late.filter(({ name }) => name !== 'quote')
          expect(others.length).toBeLessThanOrEqual(moment === 'host.before-effect' ? 1 : 0)
          const keys = new Map(taken.lines.map(({ key, idempotencyKey }) => [key, idempotencyKey]))
          for (const { key, idempotencyKey } of late) expect(idempotencyKey).toBe(keys.get(key))
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )

    if (isKeptByEngine) {
      test.each(EARLY_STOPS_OF_ENGINES)(
        'a worker that was stopped at $moment (hit $hit) and wakes when another one has its run',
        async ({ moment, hit, repeats }) => {
          const { scenario } = ORDER
          const site = new Site(under, ORDER, { leaseMs: LEASE_MS })
          try {
            await site.with(async (engine) => {
              await engine.start(site.runId, scenario.start)
              await sendSignals(engine, scenario, site.runId)
            })
            const stopped = site.spawn('drive', { kill: { moment, hit, signal: 'SIGSTOP' } })
            await stopped.says((news) => news.stopping)
            site.spawn('work')
            await site.with((engine) =>
              until(engine, site.runId, (seen) => isSuspended(seen) && isAsking(seen.waitsFor?.signals)),
            )
            const taken = await site.look()
            expect(checkMoment(scenario, taken)).toEqual([])

            // It has something to say at once; what it sees next is the question, which it answers.
            stopped.kill('SIGCONT')
            expect(await patiently(stopped)).toEqual({ code: 0, signal: null })
            const after = await site.look()
            for (const { runId, entries } of taken.runs) {
              const later = after.runs.find((run) => run.runId === runId)?.entries
              expect(later?.slice(0, entries.length)).toEqual(entries)
            }
            expect([...checkMoment(scenario, after), ...checkEnd(scenario, baseline(), after)]).toEqual([])
            // It finishes what it had in flight: the step that it stopped in front of, and the quotes, which are made at once.
            const again = checkNotAgain(taken, after.lines).filter((each) => !each.includes(' quote '))
            expect(again.length, again.join('; ')).toBeLessThanOrEqual(repeats)
          } finally {
            await site.close()
          }
        },
        PATIENT_MS,
      )
      return
    }

    test.each(EARLY_STOPS)(
      'a worker that was stopped at $moment and wakes when another one has just claimed its run',
      async ({ moment, hit, appends }) => {
        const { scenario } = ORDER
        const site = new Site(under, ORDER, { leaseMs: LEASE_MS })
        try {
          await site.with((engine) => engine.start(site.runId, scenario.start))
          const stopped = site.spawn('work', { kill: { moment, hit, signal: 'SIGSTOP' } })
          await stopped.says((news) => news.stopping)
          const claim = { moment: 'engine.after-claim', hit: 1, signal: 'SIGSTOP' } as const
          const next = site.spawn('drive', { kill: claim, options: {} })
          await next.says((news) => news.stopping)
          const claimed = await site.look()

          stopped.kill('SIGCONT')
          // What it had begun is behind it when it has done another run.
          await site.with(async (engine) => {
            await engine.start('other', { program: 'box', input: [] })
            await ended(engine, 'other')
            expect((await engine.describe(site.runId)).owner).toMatchObject({ pid: next.pid })
          })
          const woken = await site.look()
          expect(woken.runs).toEqual(claimed.runs)
          // It finishes what it had in flight: at most the quotes, which are made at once.
          const late = woken.lines.slice(claimed.lines.length)
          expect(late.filter(({ name }) => name !== 'quote')).toEqual([])
          if (appends) expect(stopped.news.map(({ refused }) => refused)).toContain('LEASE_LOST')

          next.kill('SIGCONT')
          expect(await next.exited).toEqual({ code: 0, signal: null })
          await site.finishDescendants()
          const after = await site.look()
          expect([...checkMoment(scenario, after), ...checkEnd(scenario, baseline(), after)]).toEqual([])
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )
  },
}

const isAsking = (signals: readonly string[] = []): boolean => signals.some((name) => name.startsWith('ap_'))
