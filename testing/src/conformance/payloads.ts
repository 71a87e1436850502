/**
 * Values from 1 KB to 8 MB, wherever one can be: each goes through whole, or is refused by an error of ours that says so.
 * Nothing is cut, nothing hangs, and who comes after is not harmed.
 */
import { createHash } from 'node:crypto'
import { type Outcome, SelvageError } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const KB = 1_024
const SIZES = [KB, 100 * KB, KB * KB, 8 * KB * KB]

/** Text that no compression makes small, and its fingerprint. */
function textOf(bytes: number): string {
  const parts: string[] = []
  for (let left = bytes, n = 0; left > 0; left -= 64, n++) {
    parts.push(createHash('sha256').update(`${bytes} ${n}`).digest('hex').slice(0, Math.min(64, left)))
  }
  return parts.join('')
}
const printOf = (text: string): string => `${text.length} ${createHash('sha256').update(text).digest('base64url')}`

export const payloads: Section = {
  title: 'payloads from 1 KB to 8 MB',
  register({ under }) {
    const result = createWorkflow('result', async (ctx, bytes: number) => {
      const text = await ctx.step('text', () => textOf(bytes))
      await ctx.signal('go')
      return printOf(text)
    })
    const output = createWorkflow('output', (_, bytes: number) => textOf(bytes))
    const input = createWorkflow('input', (ctx, text: string) => ctx.step('print', () => printOf(text)))
    const payload = createWorkflow('payload', async (ctx) => printOf(await ctx.signal<string>('text')))
    const opened = inside(under, [result, output, input, payload])

    /** A refusal says what happened, and is one of ours. */
    function refusal(error: unknown): string {
      if (SelvageError.is(error)) expect(error.message.length).toBeGreaterThan(10)
      else throw error
      return error.code
    }
    function check(outcome: Outcome, expected: string): void {
      if ('ok' in outcome) expect(outcome.ok).toBe(expected)
      else expect(outcome).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } })
    }
    async function isFine(): Promise<void> {
      const runId = `after ${Math.random()}`
      await opened().start(runId, 'input', 'small')
      expect(await opened().ended(runId)).toEqual({ ok: printOf('small') })
    }

    test.each(SIZES)('the result of a step, read again by a cold worker: %i bytes', async (bytes) => {
      const runId = `result-${bytes}`
      await opened().start(runId, 'result', bytes)
      const { outcome } = await opened().until(runId, ({ status }) => status !== 'running' && status !== 'pending')
      if (outcome === undefined) {
        await opened().workAnew()
        await opened().signal(runId, 'go')
      }
      check(await opened().ended(runId), printOf(textOf(bytes)))
      await isFine()
    })

    test.each(SIZES)('the result of a run: %i bytes', async (bytes) => {
      const runId = `output-${bytes}`
      const outcome = await opened().play(runId, 'output', bytes)
      // Large ones may be kept elsewhere: what is here is then their name.
      if ('ok' in outcome && typeof outcome.ok !== 'string') expect(outcome.ok).toBeTypeOf('object')
      else check(outcome, textOf(bytes))
      await isFine()
    })

    test.each(SIZES)('the input of a run: %i bytes', async (bytes) => {
      const runId = `input-${bytes}`
      const started = await opened().start(runId, 'input', textOf(bytes)).catch(refusal)
      if (started === undefined) check(await opened().ended(runId), printOf(textOf(bytes)))
      await isFine()
    })

    test.each(SIZES)('the payload of a signal: %i bytes', async (bytes) => {
      const runId = `payload-${bytes}`
      await opened().start(runId, 'payload')
      const sent = await opened().signal(runId, 'text', textOf(bytes)).catch(refusal)
      if (typeof sent === 'string') await opened().signal(runId, 'text', 'small', 'another')
      const expected = typeof sent === 'string' ? printOf('small') : printOf(textOf(bytes))
      check(await opened().ended(runId), expected)
      await isFine()
    })
  },
}
