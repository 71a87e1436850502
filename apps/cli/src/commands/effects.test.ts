/** `selvage effects`, `outbox` and `resend` as people run them. */
import { type Selvage, TerminalError } from 'selvage/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Place } from '../../test/place.ts'

// Each starts the command many times, one after the other.
vi.setConfig({ testTimeout: 120_000 })

let place: Place
let selvage: Selvage
const cli: Place['cli'] = (...args) => place.cli(...args)
/** Resolves when the message is in that state. */
const reaches = async (id: string, state: string): Promise<void> => {
  while ((await selvage.message(id)).state !== state) await new Promise((resolve) => setTimeout(resolve, 5))
}

beforeEach(async () => {
  place = await Place.open()
  selvage = place.selvage
})

afterEach(() => place.close())

test('effects shows unknown outcomes first, show names them', async () => {
  const shop = selvage.workflow('shop', async (ctx) => {
    await ctx.step('reserve', () => 1)
    const lost = (): never => {
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    }
    await ctx.step('charge', lost, { effect: 'once', onUnknown: 'fail', input: { amount: 5 } }).catch(() => {})
  })
  await (await shop.start(undefined, { runId: 'q4' })).result()
  await (await shop.start(undefined, { runId: 'q5' })).result()

  const all = await cli('effects')
  expect(all.code).toBe(0)
  const lines = all.out.trim().split('\n').slice(1)
  expect(lines.map((line) => line.trim().split(/\s+/).slice(0, 5))).toEqual([
    ['unknown', 'once', 'charge', 'q5', 'charge'],
    ['unknown', 'once', 'charge', 'q4', 'charge'],
    ['done', 'idempotent', 'reserve', 'q5', 'reserve'],
    ['done', 'idempotent', 'reserve', 'q4', 'reserve'],
  ])
  expect(all.err).toMatch(/2 outcomes are unknown.*selvage show q5/)

  const one = JSON.parse((await cli('effects', 'q4', '--state', 'unknown', '--json')).out)
  expect(one.items).toMatchObject([{ runId: 'q4', step: 'charge', state: 'unknown', input: { amount: 5 } }])
  expect((await cli('effects', '--limit', '1')).err).toMatch(/More: selvage effects --after/)
  expect(await cli('effects', 'q6')).toMatchObject({ code: 3, err: expect.stringMatching(/Did you mean/) })
  expect((await cli('effects', '--state', 'lost')).err).toMatch(/no state "lost"/)

  const { out } = await cli('show', 'q4')
  expect(out).toMatch(/unknown +whether charge happened \(step charge\)/)
  expect(out).toContain(one.items[0].id)
  expect(JSON.parse((await cli('show', 'q4', '--json')).out).unknown).toMatchObject([{ step: 'charge' }])
})

test('outbox shows what became of messages, resend delivers a dead one', async () => {
  let broken = true
  selvage.outbox('mail', () => {
    if (broken) throw new TerminalError('no such address')
  })
  const run = await selvage.workflow('send', (ctx) => ctx.send('mail', { to: 'ann' })).start(undefined, { runId: 's' })
  const id = await run.result()
  await reaches(id, 'dead')
  const shown = await cli('outbox')
  expect(shown.out).toMatch(new RegExp(`${id} +dead +mail +s +1 .*no such address`))
  expect(shown.err).toContain(`selvage resend ${id}`)
  expect(JSON.parse((await cli('outbox', '--state', 'dead', '--json')).out).items).toMatchObject([{ id, runId: 's' }])
  expect((await cli('outbox', '--topic', 'other')).err).toMatch(/No such messages/)

  const { checks } = JSON.parse((await cli('doctor', '--json')).out)
  expect(checks.at(-1)).toMatchObject({ name: 'outbox', state: 'warn', found: '1 message to mail given up' })

  broken = false
  expect((await cli('resend', id)).out).toMatch(/delivered as soon as a worker handles "mail"/)
  await reaches(id, 'delivered')
  expect((await cli('resend', id)).err).toMatch(/is delivered. Only a message that is dead/)
  expect((await cli('outbox', '--run', 's')).out).toMatch(/delivered/)
})
