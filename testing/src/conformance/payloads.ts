/**
 * Values from 1 KB to 8 MB, wherever one can be: each goes through whole. One that is larger than what the manifest says an
 * entry may be is perhaps refused, as UNSUPPORTED. Nothing is cut, nothing hangs, and who comes after is not harmed.
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
  register({ under, manifest }) {
    const { entryBytes: mostBytes = Number.POSITIVE_INFINITY } = manifest.limits
    const result = createWorkflow('result', async (ctx, bytes: number) => {
      const text = await ctx.step('text', () => textOf(bytes))
      await ctx.signal('go')
      return printOf(text)
    })
    const output = createWorkflow('output', (_, bytes: number) => textOf(bytes))
    const reader = createWorkflow('reader', async (ctx, bytes: number) => printOf(await ctx.child(output, bytes)))
    const input = createWorkflow('input', (ctx, text: string) => ctx.step('print', () => printOf(text)))
    const payload = createWorkflow('payload', async (ctx) => printOf(await ctx.signal<string>('text')))
    const opened = inside(under, [result, output, reader, input, payload])

    /** What is no larger than the manifest says is taken; a refusal says what happened. */
    function refused(bytes: number, error: unknown): true {
      if (!SelvageError.is(error, 'UNSUPPORTED') || bytes <= mostBytes) throw error
      expect(error.message.length).toBeGreaterThan(10)
      return true
    }
    function check(outcome: Outcome, bytes: number, expected: string): void {
      const isRefused = 'error' in outcome && outcome.error.code === 'UNSUPPORTED' && bytes > mostBytes
      if (!isRefused) expect(outcome).toEqual({ ok: expected })
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
      check(await opened().ended(runId), bytes, printOf(textOf(bytes)))
      await isFine()
    })

    test.each(SIZES)('the result of a run, as its parent reads it: %i bytes', async (bytes) => {
      const runId = `reader-${bytes}`
      // Where it lies is the engine's: a large one may be kept elsewhere, and what describes the run names it.
      check(await opened().play(runId, 'reader', bytes), bytes, printOf(textOf(bytes)))
      await isFine()
    })

    test.each(SIZES)('the input of a run: %i bytes', async (bytes) => {
      const runId = `input-${bytes}`
      const text = textOf(bytes)
      const isRefused = await opened()
        .start(runId, 'input', text)
        .catch((error) => refused(bytes, error))
      if (isRefused !== true) check(await opened().ended(runId), bytes, printOf(text))
      await isFine()
    })

    test.each(SIZES)('the payload of a signal: %i bytes', async (bytes) => {
      const runId = `payload-${bytes}`
      const text = textOf(bytes)
      await opened().start(runId, 'payload')
      const isRefused = await opened()
        .signal(runId, 'text', text)
        .catch((error) => refused(bytes, error))
      if (isRefused === true) await opened().signal(runId, 'text', 'small', 'another')
      check(await opened().ended(runId), bytes, printOf(isRefused === true ? 'small' : text))
      await isFine()
    })
  },
}
