/** RD, by the bank and by what the program saw: however often and wherever it is killed, a run is one and the same run. */
import { expect, test } from 'vitest'
import type { Hits, KillAt, Moment } from '../crash/kill-switch.ts'
import { deedsFor, shipment } from '../crash/shipment.ts'
import { seededRandom } from '../random.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { askedAgain, contradictions, type Lived, live, misdeeds, prefixes } from './lives.ts'
import type { Section } from './section.ts'
import { reached, survivors } from './survivors.ts'
import { seeds } from './tries.ts'

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
        const play = async (seed: number): Promise<Played> => {
          const runId = `seed-${seed}`
          const ends = deathsOf(seed).map((death) => ({ ...death, moment: reached(under, death.moment) }))
          const lived = await live(under, shipment(runId), bank(), runId, ends)
          const last = lived.lives.at(-1)
          const wrong = [
            ...lived.wrong,
            ...contradictions(lived),
            ...prefixes(lived),
            ...askedAgain(lived),
            ...misdeeds(last?.lines ?? [], deedsFor(runId)),
          ]
          return { wrong: wrong.map((each) => `seed ${seed}: ${each}`), lived }
        }
        const sum = (plays: readonly Played[], of: (lived: Lived) => number): number =>
          plays.reduce((total, { lived }) => total + of(lived), 0)
        const plays = await seeds(
          count,
          play,
          (played) => sum(played, deaths) > count && sum(played, retold) > 3 * count,
        )
        expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
        expect(plays.map(({ lived }) => lived.outcome)).toEqual(plays.map(() => ({ ok: 'thanks' })))
        expect(sum(plays, deaths)).toBeGreaterThan(count)
        // There was a past to be seen again: else nothing would have been compared.
        expect(sum(plays, retold)).toBeGreaterThan(3 * count)
      },
      PATIENT_MS,
    )
  },
}

interface Played {
  readonly wrong: readonly string[]
  readonly lived: Lived
}

const deaths = ({ lives }: Lived): number => lives.filter(({ exit }) => exit.signal === 'SIGKILL').length

/** What lives told of the run that a life before them had told as well. */
const retold = ({ lives }: Lived): number =>
  lives.reduce((sum, { told }, index) => {
    const before = Math.max(0, ...lives.slice(0, index).map((life) => life.told.length))
    return sum + Math.min(told.length, before)
  }, 0)

/** Later lives have less to do: the deaths are early in each. */
function deathsOf(seed: number): readonly KillAt[] {
  const random = seededRandom(seed)
  const moments = Object.keys(HITS) as Moment[]
  return Array.from({ length: DEATHS }, (_, death) => {
    const moment = random.pick(moments)
    return { moment, hit: 1 + random.below(Math.max(1, (HITS[moment] ?? 1) >> death)) }
  })
}
