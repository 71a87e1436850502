/** Each probe × each time that the scenario comes to it: killed there, and finished by a new process. */
import { PROBES } from '@selvage/core'
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { type Baseline, play } from '../crash/play.ts'
import type { PlaceOptions } from '../crash/under-test.ts'
import { undisturbed } from './beforehand.ts'
import { ORDER, PATIENT_MS } from './given.ts'
import { leaveOut, NO_ROTATION } from './leave-out.ts'
import type { Section } from './section.ts'
import { spread } from './spread.ts'
import { survivors } from './survivors.ts'
import { tries } from './tries.ts'

/** Kills at one probe; beyond that they are spread over its hits. */
const KILLS = 10

const ROTATIONS: ReadonlySet<Moment> = new Set(['engine.before-rotate', 'engine.after-rotate'])
/** So that the history of the scenario is renewed more than once. */
const ROTATING: PlaceOptions = { rotateAfter: 6 }

export const crashMatrix: Section = {
  title: 'a process killed at any probe is followed by one that finishes as if nothing had been',
  skip: survivors,
  register({ under, manifest }) {
    const { rotate } = manifest.abilities
    const baseline = undisturbed(under, ORDER)
    const rotating = rotate ? undisturbed(under, ORDER, ROTATING) : baseline

    async function killAt(moment: Moment, before: Baseline, options: PlaceOptions = {}): Promise<void> {
      const hits = spread(before.hits[moment] ?? 0, under.plays?.kills ?? KILLS)
      const plays = await twoAtOnce(hits, async (hit) => {
        const played = await tries(
          () => play(under, ORDER, before, [[{ moment, hit }]], options),
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
      const isRotation = ROTATIONS.has(probe)
      if (never !== undefined) test(`never at ${probe}: ${never}`, () => expect(baseline().hits[probe]).toBeUndefined())
      else if (!isRotation) test(`at ${probe}`, () => killAt(probe, baseline()), PATIENT_MS)
      else if (rotate) test(`at ${probe}`, () => killAt(probe, rotating(), ROTATING), PATIENT_MS)
      else leaveOut(`at ${probe}`, NO_ROTATION)
    }
    for (const moment of ['effect.before', 'effect.after'] as const) {
      test(`inside a step: ${moment}`, () => killAt(moment, baseline()), PATIENT_MS)
    }
  },
}
