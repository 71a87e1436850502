/** PC, by the bank: a process that is killed is followed by one that goes on behind what was recorded. */
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { deedsFor, SHIPMENT, shipment } from '../crash/shipment.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { askedAgain, live, misdeeds, prefixes } from './lives.ts'
import type { Section } from './section.ts'
import { survivors } from './survivors.ts'

export const prefixContinuation: Section = {
  title: 'PC, prefix continuation: what was recorded stands, and what is new comes behind it',
  skip: survivors,
  register({ under }) {
    const bank = openBank()

    test(
      'killed in each of its deeds, when the bank has acted and has not answered',
      async () => {
        const found = await twoAtOnce(SHIPMENT, async ([deed, whom]) => {
          const runId = `prefix-${whom}`
          const lived = await live(under, shipment(runId), bank(), runId, [{ deed, order: `${runId}/${whom}` }])
          const [first, last] = lived.lives
          const asked = last?.lines.slice(first?.lines.length) ?? []
          return [
            ...lived.wrong,
            ...lived.unkilled,
            ...prefixes(lived),
            ...askedAgain(lived),
            ...misdeeds(last?.lines ?? [], deedsFor(runId)),
            // Its own deed is asked for again, by the same key: to the engine it is a step without a record.
            ...(asked.some((line) => line.what === 'repeated' && line.order === `${runId}/${whom}`)
              ? []
              : [`${runId}: what was in flight was not asked for again`]),
            ...('ok' in (lived.outcome ?? {}) ? [] : [`${runId} ended with ${JSON.stringify(lived.outcome)}`]),
          ]
        })
        expect(found.flat()).toEqual([])
      },
      PATIENT_MS,
    )
  },
}
