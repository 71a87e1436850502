/**
 * CV, by the bank: whatever is durable at any moment is a place to go on from; and what is none (the code is another one,
 * or the record cannot be read) is refused, with nothing done and nothing lost.
 */
import { type Engine, type Outcome, SelvageError } from '@selvage/core'
import { expect, test } from 'vitest'
import { eachFor } from '../bank/ledger.ts'
import { twoAtOnce } from '../crash/at-once.ts'
import type { KillAt } from '../crash/kill-switch.ts'
import { deedsFor, shipment } from '../crash/shipment.ts'
import { Site } from '../crash/site.ts'
import type { Damage } from '../crash/under-test.ts'
import { returns } from '../refunds/returns.ts'
import { ended } from '../watching.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { leaveOut } from './leave-out.ts'
import { askedAgain, contradictions, live, misdeeds, patiently, prefixes } from './lives.ts'
import type { Section } from './section.ts'
import { spread } from './spread.ts'
import { neverAt, survivors } from './survivors.ts'
import { tries } from './tries.ts'

/** Kills behind each kind of durable write; beyond that they are spread over all of them. */
const KILLS = 10
const WRITES = ['host.after-append', 'engine.after-suspend'] as const
/** Where an engine keeps the journal: nothing begins before it has recorded what the last advance brought. */
const BEHIND_A_RECORD = 'host.before-effect'
const CHANGED = new URL('../../dist/refunds/changed.js', import.meta.url).href

interface Played {
  /** How often the first life came to the moment. */
  readonly hits: number
  readonly killed: boolean
  readonly wrong: readonly string[]
}

export const checkpointValidity: Section = {
  title: 'CV, checkpoint validity: what is durable can be gone on from, or is refused',
  skip: survivors,
  register({ under, manifest }) {
    const bank = openBank()

    const asksOf = (order: string): number => bank().lines(order).length

    for (const write of WRITES) {
      const never = neverAt(under, write)
      const isEnginesOwn = never !== undefined && write === 'host.after-append' && manifest.journal === 'engine'
      const moment = isEnginesOwn ? BEHIND_A_RECORD : write
      if (never !== undefined && !isEnginesOwn) {
        leaveOut(`killed right behind a write: ${write}`, never)
        continue
      }
      test(
        `killed right behind a write: ${moment}`,
        async () => {
          const play = async (runId: string, ends: readonly KillAt[]): Promise<Played> => {
            const lived = await live(under, shipment(runId), bank(), runId, ends)
            const misdone = misdeeds(lived.lives.at(-1)?.lines ?? [], deedsFor(runId))
            const wrong = [
              ...lived.wrong,
              ...prefixes(lived),
              ...askedAgain(lived),
              ...contradictions(lived),
              ...misdone,
            ]
            return { hits: lived.lives[0]?.hits[moment] ?? 0, killed: lived.unkilled.length === 0, wrong }
          }
          const undisturbed = await tries(
            (n) => play(`${moment}-undisturbed-${n}`, []),
            ({ hits }) => hits > 0,
          )
          const hits = spread(undisturbed.at(-1)?.hits ?? 0, under.plays?.kills ?? KILLS)
          const plays = await twoAtOnce(hits, (hit) =>
            tries(
              (n) => play(`${moment}-${hit}-${n}`, [{ moment, hit }]),
              ({ killed }) => killed,
            ),
          )
          expect([undisturbed, ...plays].flat().flatMap(({ wrong }) => wrong)).toEqual([])
          // The last hits may not come, however often it is played.
          expect(plays.filter((played) => played.at(-1)?.killed).length).toBeGreaterThan(plays.length / 2)
        },
        PATIENT_MS,
      )
    }

    /** Killed behind its first deed. */
    const half = async (site: Site): Promise<void> => {
      const { signal } = await patiently(site.spawn('drive', { kill: { moment: 'effect.before', hit: 2 } }))
      expect(signal).toBe('SIGKILL')
    }
    const finishes = async (site: Site): Promise<void> => {
      expect((await patiently(site.spawn('drive'))).code).toBe(0)
      const lines = bank().lines(site.runId)
      expect(misdeeds(lines, eachFor(site.runId))).toEqual([])
      expect((await site.look()).runs[0]?.status).toBe('completed')
    }
    const at = async (runId: string, body: (site: Site) => Promise<void>): Promise<void> => {
      const site = new Site(under, returns({ order: runId, way: 'idempotent' }), { runId, bank: bank().url })
      try {
        await body(site)
      } finally {
        await site.close()
      }
    }

    test(
      'code that is another one is told so and does nothing; the right one goes on from there',
      () =>
        at('changed', async (site) => {
          await half(site)
          const asked = asksOf('changed')
          expect((await patiently(site.spawn('drive', { scenario: CHANGED }))).code).toBe(0)
          const { runs } = await site.look()
          expect(runs[0]?.outcome).toMatchObject({ error: { code: 'NON_DETERMINISM' } })
          expect(asksOf('changed')).toBe(asked)
          await site.with(async (engine) => {
            if (engine.retry === undefined) throw new Error('an engine whose runs survive can retry them')
            await engine.retry(site.runId)
          })
          await finishes(site)
        }),
      PATIENT_MS,
    )

    const { damage } = under
    const unread = 'a record that cannot be read is not passed over and not begun anew; mended, it is gone on from'
    if (damage === undefined) leaveOut(unread, 'nobody has said how to damage what this engine keeps')
    else if (typeof damage === 'string') leaveOut(unread, damage)
    else test(unread, () => at('damaged', (site) => damagedAndMended(site, damage)), PATIENT_MS)

    async function damagedAndMended(site: Site, harm: Damage): Promise<void> {
      await half(site)
      const asked = asksOf(site.runId)
      const mend = await harm(site.folder, site.runId)
      const worker = site.spawn('work')
      const over = patiently(worker)
      await site.with(async (engine) => {
        // Whoever reads the worker's log learns of it, and other runs go on.
        await worker.says(({ warned }) => (warned?.includes(site.runId) === true ? warned : undefined))
        await engine.start('beside', returns({ order: 'beside', way: 'idempotent' }).scenario.start)
        expect(await ended(engine, 'beside')).toHaveProperty('ok')
        expect(await endOf(engine, site.runId)).toBeUndefined()
        await expect(engine.journal(site.runId, 0)).rejects.toMatchObject({ code: 'CORRUPT' })
      })
      worker.kill()
      await over
      expect(asksOf(site.runId)).toBe(asked)
      await mend()
      expect((await patiently(site.spawn('drive'))).code).toBe(0)
      // The system that an engine stands on may have given it up meanwhile.
      await site.with(async (engine) => {
        if ((await engine.describe(site.runId)).status === 'failed') await engine.retry?.(site.runId)
      })
      await finishes(site)
    }
  },
}

/** How the run has ended, if it has. Whoever asks may also be told that it cannot be read. */
async function endOf(engine: Engine, runId: string): Promise<Outcome | undefined> {
  try {
    return (await engine.describe(runId)).outcome
  } catch (error) {
    if (!SelvageError.is(error, 'CORRUPT')) throw error
    return undefined
  }
}
