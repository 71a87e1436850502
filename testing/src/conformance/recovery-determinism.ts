/** RD, by the bank and by what the program saw: however often and wherever it is killed, a run is one and the same run. */
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import type { Hits, KillAt, Moment } from '../crash/kill-switch.ts'
import { deedsFor, shipment } from '../crash/shipment.ts'
import { seededRandom } from '../random.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { askedAgain, contradictions, live, misdeeds, prefixes } from './lives.ts'
import type { Section } from './section.ts'
import { reached, survivors } from './survivors.ts'

const SEEDS = 10
const DEATHS = 3
/** How often an undisturbed shipment comes to a moment, at least: a kill beyond would not happen. */
const HITS: Hits = { 'effect.before': 7, 'effect.after': 7, 'host.before-append': 8, 'host.after-append': 8 }

export const recoveryDeterminism: Section = {
  title: 'RD, recovery determinism: every life of a run sees the same past, and the end is the same',
  skip: survivors,
  register({ under }) {
    const bank = openBank()
    const count = Math.min(SEEDS, under.plays?.seeds ?? SEEDS)

    test(
      `chance, ids, time, races and results, over ${DEATHS} deaths each of ${count} seeds`,
      async () => {
        const seeds = Array.from({ length: count }, (_, seed) => seed)
        const plays = await twoAtOnce(seeds, async (seed) => {
          const runId = `seed-${seed}`
          const deaths = deathsOf(seed).map((death) => ({ ...death, moment: reached(under, death.moment) }))
          const lived = await live(under, shipment(runId), bank(), runId, deaths)
          const last = lived.lives.at(-1)
          const wrong = [
            ...contradictions(lived),
            ...prefixes(lived),
            ...askedAgain(lived),
            ...misdeeds(last?.lines ?? [], deedsFor(runId)),
          ]
          return { wrong: wrong.map((each) => `seed ${seed}: ${each}`), lived }
        })
        expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
        expect(plays.map(({ lived }) => lived.outcome)).toEqual(seeds.map(() => ({ ok: 'thanks' })))
        const lives = plays.flatMap(({ lived }) => lived.lives)
        expect(lives.filter(({ exit }) => exit.signal === 'SIGKILL').length).toBeGreaterThan(count)
        // Those that came after a death saw a past at all.
        expect(lives.filter(({ told }) => told.length > 3).length).toBeGreaterThan(count)
      },
      PATIENT_MS,
    )
  },
}

/** Later lives have less to do: the deaths are early in each. */
function deathsOf(seed: number): readonly KillAt[] {
  const random = seededRandom(seed)
  const moments = Object.keys(HITS) as Moment[]
  return Array.from({ length: DEATHS }, (_, death) => {
    const moment = random.pick(moments)
    return { moment, hit: 1 + random.below(Math.max(1, (HITS[moment] ?? 1) >> death)) }
  })
}
