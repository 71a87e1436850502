/** Who waits for a run that nobody's program made wait is told why, also where it is a run below that asks. */
import { fakeClock } from '@selvage/testing'
import { expect, test } from 'vitest'
import { type Approval, openSelvage } from '../core.ts'

/** What the world says of a call whose connection is gone: nothing. */
const lost = (): never => {
  throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

test('an outcome that nobody knows is told to who waits, once, with what answers it; what a program asks is not', async () => {
  const clock = fakeClock()
  const warned: string[] = []
  const silent = (): void => {}
  const logger = { info: silent, warn: (line: string) => void warned.push(line), error: silent }
  await using selvage = await openSelvage({ url: 'sqlite::memory:', clock, logger })
  const pay = selvage.workflow('pay', (ctx) => ctx.step('charge', lost, { effect: 'once' }))
  const order = selvage.workflow('order', (ctx) => ctx.child(pay, undefined))
  const other = selvage.workflow('other', async (ctx) => (await ctx.approval('publish')).approved)
  const run = await order.start(undefined, { runId: 'order-1' })
  const waiters = [run.result(), selvage.run('order-1').result()]
  const asking = await other.start(undefined, { runId: 'other-1' })
  const said = asking.result()

  const open = async (kind: Approval['kind']): Promise<Approval | undefined> =>
    (await selvage.approvals({ kind })).items[0]
  await expect.poll(() => open('unknown')).toBeDefined()
  await expect.poll(() => open('approval')).toBeDefined()
  expect(warned).toEqual([])
  for (let minute = 0; minute < 5; minute++) await clock.advance(60_000)
  await expect.poll(() => warned.length).toBeGreaterThan(0)
  for (let minute = 0; minute < 5; minute++) await clock.advance(60_000)

  const { id = '', runId = '' } = (await open('unknown')) ?? {}
  const line = `^Run ${runId} waits .* whether "charge" happened.* approve ${id} .* reject ${id} --reason retry`
  expect(warned).toEqual([expect.stringMatching(new RegExp(line))])

  await selvage.run(runId).approve(id, { input: 'charged' })
  await selvage.run('other-1').approve((await open('approval'))?.id ?? '')
  expect(await Promise.all([...waiters, said])).toEqual(['charged', 'charged', true])
})
