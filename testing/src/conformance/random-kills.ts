import { expect, test } from 'vitest'
import { playSeed } from '../crash/play-seed.ts'
import { undisturbed } from './beforehand.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'
import { survivors } from './survivors.ts'
import { seeds } from './tries.ts'

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
        const enough = (plays: readonly { readonly deaths: number }[]): boolean =>
          plays.reduce((sum, { deaths }) => sum + deaths, 0) >= count
        const plays = await seeds(count, (seed) => playSeed(under, ORDER, baseline(), seed), enough)
        expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
        expect(enough(plays), `${count} deaths`).toBe(true)
      },
      PATIENT_MS,
    )
  },
}
