import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { playSeed } from '../crash/play-seed.ts'
import { undisturbed } from './beforehand.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'
import { survivors } from './survivors.ts'

const SEEDS = 25

/** More of them: `npm run soak -- --seeds N`. */
export const randomKills: Section = {
  title: 'processes killed one after the other, some of them two at once, leave a run that finishes',
  skip: survivors,
  register({ under }) {
    const count = under.plays?.seeds ?? SEEDS
    const baseline = undisturbed(under, ORDER)

    test(
      `${count} seeds`,
      async () => {
        const seeds = Array.from({ length: count }, (_, seed) => seed)
        const plays = await twoAtOnce(seeds, (seed) => playSeed(under, ORDER, baseline(), seed))
        expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
        expect(plays.reduce((sum, { deaths }) => sum + deaths, 0)).toBeGreaterThanOrEqual(count)
      },
      PATIENT_MS,
    )
  },
}
