/** Each probe × each time that the scenario comes to it: killed there, and finished by a new process. */
import { PROBES } from '@selvage/core'
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { play } from '../crash/play.ts'
import { undisturbed } from './beforehand.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'
import { spread } from './spread.ts'
import { survivors } from './survivors.ts'
import { tries } from './tries.ts'

/** Kills at one probe; beyond that they are spread over its hits. */
const KILLS = 10

export const crashMatrix: Section = {
  title: 'a process killed at any probe is followed by one that finishes as if nothing had been',
  skip: survivors,
  register({ under }) {
    const baseline = undisturbed(under, ORDER)

    async function killAt(moment: Moment): Promise<void> {
      const hits = spread(baseline().hits[moment] ?? 0, under.plays?.kills ?? KILLS)
      const plays = await twoAtOnce(hits, async (hit) => {
        const played = await tries(
          () => play(under, ORDER, baseline(), [[{ moment, hit }]]),
          ({ deaths }) => deaths === 1,
        )
        const wrong = played.flatMap((each) => each.wrong)
        const died = played.at(-1)?.deaths === 1
        return { died, wrong: wrong.map((each) => `killed at ${moment}, hit ${hit}: ${each}`) }
      })
      expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
      // The last hits may not come, however often it is played.
      expect(plays.filter(({ died }) => died).length).toBeGreaterThan(0)
    }

    for (const probe of PROBES) {
      const never = under.neverHit?.[probe]
      if (never === undefined) test(`at ${probe}`, () => killAt(probe), PATIENT_MS)
      else test(`never at ${probe}: ${never}`, () => expect(baseline().hits[probe]).toBeUndefined())
    }
    for (const moment of ['effect.before', 'effect.after'] as const) {
      test(`inside a step: ${moment}`, () => killAt(moment), PATIENT_MS)
    }
  },
}
