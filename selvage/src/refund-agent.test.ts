/** The refund experiment with an agent, beside the same agent as it is and with the SDK's own sessions. More: `npm run refunds`. */
import { faults, figure, refunds } from '@selvage/testing/refunds'
import { expect, test } from 'vitest'
import { experiment } from '../test/refund-agent.ts'
import { open } from '../test/under-test.ts'

const KILLS = 3

test(`an agent that refunds, charges and mails is killed ${KILLS} times between effect and record`, async () => {
  const under = { open, module: new URL('../test/under-test.ts', import.meta.url).href }
  const found = await refunds(
    under,
    experiment,
    Array.from({ length: KILLS }, (_, seed) => seed),
  )
  console.info(figure(found))
  expect(faults(found)).toEqual([])
  expect(found.duplicates).toEqual({ idempotent: 0, once: 0, asked: 0 })
  // Started anew it repeats what was done before, too; restored from its session it repeats what was in flight.
  expect(found.without.plain).toBeGreaterThan(KILLS)
  expect(found.without.SessionManager).toBe(KILLS)
}, 900_000)
