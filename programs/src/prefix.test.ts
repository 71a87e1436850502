/**
 * I5, I12, I13 for everything that ctx has: whatever part of a journal a process leaves, the next one comes to the same
 * journal and result.
 */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { expect, it } from 'vitest'
import { answerTo, type Everything, EXPECTED, everything } from '../test/everything.ts'
import { World } from '../test/world.ts'

const HOUR = 3_600_000

/** Lets the run go on to its end: answers what it asks, sends what it waits for, lets hours pass. */
async function drive(world: World): Promise<void> {
  for (let turn = 0; world.outcome('r') === undefined; turn++) {
    if (turn > 60) throw new Error(`the run does not end: ${JSON.stringify(world.entries('r').slice(-4))}`)
    await world.settled('r')
    for (const question of world.questions('r')) {
      const answer = answerTo(question)
      if (answer !== undefined) await world.tell('r', question.id, answer)
    }
    await world.tell('r', 'go', 'go')
    await world.settled('r')
    if (world.outcome('r') === undefined) await world.elapse(HOUR)
  }
}

/** What is recorded, without the times. */
function timeless(entries: readonly Entry[]): unknown[] {
  return entries.map((entry) => {
    const { at: _, ...rest } = entry
    const text = JSON.stringify(rest, (key, value) =>
      ['at', 'startedAt', 'retryAt', 'expiresAt', 'stack', 'host'].includes(key) ? undefined : value,
    )
    return JSON.parse(text)
  })
}

it('any prefix of a journal leads to the same journal and result', async () => {
  const make = (): World => {
    const clock = fakeClock()
    return new World(nodeRuntime({ clock }), clock, everything('1h'))
  }
  const whole = make()
  await whole.start('r', 'flow')
  await drive(whole)
  const journal = whole.entries('r')
  const result = (await whole.result('r')) as Everything
  expect(result.trace).toEqual(EXPECTED)

  for (let length = 1; length <= journal.length; length++) {
    const world = make()
    const prefix = journal.slice(0, length)
    await world.clock.advance((prefix.at(-1)?.at ?? 0) - world.clock.now())
    for (const id of whole.ids()) if (id !== 'r') world.restore(id, whole.entries(id).slice(0, 1))
    world.restore('r', prefix)
    await drive(world)
    const again = (await world.result('r')) as Everything
    expect(again.trace, `after ${length} entries`).toEqual(EXPECTED)
    expect(again.draws).toEqual(result.draws)
    const settled = prefix.filter((entry) => entry.type === 'wait' && entry.key.endsWith('/done')).length
    expect(again.order.slice(0, settled), `after ${length} entries`).toEqual(result.order.slice(0, settled))
    expect(timeless(world.entries('r')).slice(0, length)).toEqual(timeless(prefix))
  }
})
