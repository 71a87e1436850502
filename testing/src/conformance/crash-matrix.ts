/** Each probe × each time that the scenario comes to it: killed there, and finished by a new process. */
import { type Manifest, PROBES, type ProbeName } from '@selvage/core'
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { play } from '../crash/play.ts'
import type { Given } from '../crash/site.ts'
import type { PlaceOptions } from '../crash/under-test.ts'
import { undisturbed } from './beforehand.ts'
import { MESSAGES, ORDER, PATIENT_MS } from './given.ts'
import { leaveOut, NO_OUTBOX, NO_ROTATION } from './leave-out.ts'
import type { Section } from './section.ts'
import { spread } from './spread.ts'
import { survivors } from './survivors.ts'
import { tries } from './tries.ts'

/** Kills at one probe; beyond that they are spread over its hits. */
const KILLS = 10

/** What is played where the order never comes to a probe, or only once. */
interface Other {
  readonly given: Given
  readonly options: PlaceOptions
  /** Why an engine of this manifest never comes there. */
  skip(manifest: Manifest): string | undefined
}

const ROTATING: Other = {
  given: ORDER,
  // So that the history of the order is renewed more than once.
  options: { rotateAfter: 6 },
  skip: ({ abilities }) => (abilities.rotate ? undefined : NO_ROTATION),
}

const SENDING: Other = {
  given: MESSAGES,
  options: {},
  skip: ({ abilities }) => (abilities.outbox ? undefined : NO_OUTBOX),
}

const OTHERS: { readonly [name in ProbeName]?: Other } = {
  'engine.before-rotate': ROTATING,
  'engine.after-rotate': ROTATING,
  'engine.after-claim-message': SENDING,
  'engine.after-delivery': SENDING,
  'engine.after-settle-message': SENDING,
}

export const crashMatrix: Section = {
  title: 'a process killed at any probe is followed by one that finishes as if nothing had been',
  skip: survivors,
  register({ under, manifest }) {
    const baseline = undisturbed(under, ORDER)
    const others = new Map(
      [ROTATING, SENDING]
        .filter(({ skip }) => skip(manifest) === undefined)
        .map((other) => [other, undisturbed(under, other.given, other.options)]),
    )

    async function killAt(moment: Moment, other?: Other): Promise<void> {
      const { given, options } = other ?? { given: ORDER, options: {} }
      const before = (other === undefined ? baseline : others.get(other))?.()
      if (before === undefined) throw new Error(`nothing was played that comes to ${moment}`)
      const hits = spread(before.hits[moment] ?? 0, under.plays?.kills ?? KILLS)
      const plays = await twoAtOnce(hits, async (hit) => {
        const played = await tries(
          () => play(under, given, before, [[{ moment, hit }]], options),
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
      const other = OTHERS[probe]
      const skip = other?.skip(manifest)
      if (never !== undefined) {
        test(`at ${probe}`, ({ skip: leave }) => {
          // What is said to be impossible does not happen.
          expect(baseline().hits[probe]).toBeUndefined()
          leave(never)
        })
      } else if (skip !== undefined) leaveOut(`at ${probe}`, skip)
      else test(`at ${probe}`, () => killAt(probe, other), PATIENT_MS)
    }
    for (const moment of ['effect.before', 'effect.after'] as const) {
      test(`inside a step: ${moment}`, () => killAt(moment), PATIENT_MS)
    }
  },
}
