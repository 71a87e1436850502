/**
 * Messages of the outbox: sent by steps, at once and one after the other, by one that fails first;
 * delivered by whichever worker lives. A delivery is a line outside, as an effect is.
 */
import type { OutboxHandler, StepContext } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import type { LedgerLine } from './effects-ledger.ts'
import type { Scenario } from './scenario.ts'

const DELIVERY = 'delivery '
const SENT = 7

export const scenario: Scenario = {
  programs: (outside) => {
    const sending =
      (...numbers: readonly number[]) =>
      (at: StepContext): string[] => {
        const ids = numbers.map((number) => at.send('mail', number))
        outside.act(at)
        return ids
      }
    return [
      createWorkflow('sender', async (ctx) => {
        await ctx.step('first', sending(1))
        await ctx.step('two', sending(2, 3))
        await ctx.step(
          'again',
          (at) => {
            const ids = sending(4)(at)
            if (at.attempt === 1) throw new Error('What an attempt sends that fails is not sent.')
            return ids
          },
          { retry: { initial: 1, jitter: 'none' } },
        )
        await ctx.step('five', sending(5))
        await ctx.sleep(5)
        await ctx.step('last', sending(6, 7))
        return 'sent'
      }),
    ]
  },
  start: { program: 'sender', input: null },
  outbox: (outside): readonly OutboxHandler[] => [
    {
      topic: 'mail',
      timeoutMs: 60_000,
      retryAfterMs: () => 1,
      deliver: async ({ id, runId, payload, attempt }, abortSignal) => {
        const key = `${DELIVERY}${payload}`
        const at = { runId, key, name: key, kind: 'code', effect: 'idempotent', idempotencyKey: id, attempt } as const
        outside.act({ ...at, abortSignal, emit: () => {}, heartbeat: () => {}, send: () => '' })
      },
    },
  ],
  judge,
}

function judge(lines: readonly LedgerLine[]): readonly string[] {
  const delivered = lines
    .filter(({ key }) => key.startsWith(DELIVERY))
    .map(({ key }) => Number(key.slice(DELIVERY.length)))
  const all = [...new Set(delivered)].toSorted((a, b) => a - b)
  const wrong = all.length === SENT ? [] : [`delivered were ${all.join(', ')}, of ${SENT}`]
  const early = delivered.find((number, index) => index > 0 && number < (delivered[index - 1] ?? 0))
  return early === undefined ? wrong : [...wrong, `${early} was delivered behind a later one: ${delivered.join(', ')}`]
}
