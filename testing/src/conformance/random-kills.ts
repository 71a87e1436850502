import { beforeAll, expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { type Baseline, playUndisturbed } from '../crash/play.ts'
import { playSeed } from '../crash/play-seed.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'

const SEEDS = 25

/** More of them: `npm run soak -- --seeds N`. */
export const randomKills: Section = {
  title: 'processes killed one after the other, some of them two at once, leave a run that finishes',
  skip: ({ survives }) => (survives === 'nothing' ? 'its runs do not survive their process' : undefined),
  register({ under }) {
    const count = under.plays?.seeds ?? SEEDS
    let baseline: Baseline
    beforeAll(async () => {
      baseline = await playUndisturbed(under, ORDER)
    }, PATIENT_MS)

    test(
      `${count} seeds`,
      async () => {
        const seeds = Array.from({ length: count }, (_, seed) => seed)
        const plays = await twoAtOnce(seeds, (seed) => playSeed(under, ORDER, baseline, seed))
        expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
        expect(plays.reduce((sum, { deaths }) => sum + deaths, 0)).toBeGreaterThanOrEqual(count)
      },
      PATIENT_MS,
    )
  },
}
