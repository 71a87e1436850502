import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Entry } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, type Place, place } from '../../test/place.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

const HASH = 'Aopq46WpiiR3LrgN'

/** Journals so many cycles of a model step and a tool step; returns bytes of the file for each byte of message JSON. */
async function ratio(result: number, cycles: number): Promise<number> {
  const path = `${here.path}-${result}`
  const store = await here.open({ path, durability: 'normal' })
  await enlisted(store)
  const { fence } = await claimed(store)
  let canonical = 0
  for (let cycle = 0; cycle < cycles; cycle++) {
    const id = `tooluse_${String(cycle).padStart(18, '0')}`
    const answer = {
      role: 'assistant',
      content: [
        { text: 'Let me look at that next document.' },
        { toolUse: { name: 'search', toolUseId: id, input: { query: `item ${cycle}` } } },
      ],
    }
    const content = [{ text: 'x'.repeat(result) }]
    const told = { role: 'user', content: [{ toolResult: { toolUseId: id, status: 'success', content } }] }
    canonical += JSON.stringify(answer).length + JSON.stringify(told).length
    const seq = 1 + 2 * cycle
    const at = 1_700_000_000_000 + 1_000 * cycle
    const model = {
      key: `model#${cycle + 1}`,
      kind: 'model',
      name: 'a-model-with-a-long-name-v1:0',
      check: HASH,
    } as const
    const tool = { key: `tool:${id}@${cycle}`, kind: 'tool', name: 'search', check: HASH } as const
    const entries: Entry[] = [
      {
        seq,
        at,
        type: 'step',
        key: model.key,
        op: model,
        attempt: 1,
        startedAt: at - 640,
        outcome: { ok: { content: answer.content, stopReason: 'toolUse' } },
      },
      {
        seq: seq + 1,
        at: at + 50,
        type: 'step',
        key: tool.key,
        op: tool,
        attempt: 1,
        startedAt: at + 12,
        outcome: { ok: { content } },
      },
    ]
    await store.append('r', fence, seq, entries)
  }
  const [last] = await store.load('r', 2 * cycles)
  expect(last).toMatchObject({ outcome: { ok: { content: [{ text: 'x'.repeat(result) }] } } })
  await store.close()
  return statSync(path).size / canonical
}

describe('the file after a checkpoint', () => {
  it('is at most 1.5 times the messages at results of 200 B, 1.36 times at any size above, 1.2 times from 4 KB, 1.1 times from 8 KB', async () => {
    expect(await ratio(200, 500)).toBeLessThan(1.5)
    for (const size of [600, 1_000, 1_800, 2_500, 3_500]) expect(await ratio(size, 300), `${size} B`).toBeLessThan(1.36)
    for (const size of [3_900, 4_096, 6_000]) expect(await ratio(size, 300), `${size} B`).toBeLessThan(1.2)
    for (const size of [7_800, 8_000, 11_900, 20_000]) expect(await ratio(size, 300), `${size} B`).toBeLessThan(1.1)
  })

  it('has all of a result in its row where blanks fill the page with little loss, and pieces beside it where not', async () => {
    for (const [size, pieces] of [
      [300, 0],
      [7_400, 20],
      [7_900, 0],
      [30_000, 0],
    ] as const) {
      await ratio(size, 10)
      const database = new DatabaseSync(`${here.path}-${size}`)
      expect(database.prepare('select count(*) as count from rest').get(), `${size} B`).toEqual({ count: pieces })
      database.close()
    }
  })
})
