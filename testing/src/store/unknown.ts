import { afterEach, beforeEach, expect, it } from 'vitest'
import { claimed, enlisted, type StorePlace, step } from './place.ts'

export function unknown(place: () => StorePlace): void {
  let here: StorePlace
  beforeEach(() => {
    here = place()
  })
  afterEach(() => here.close())

  it('lists unknown outcomes of all runs from an index that holds nothing else', async () => {
    const store = await here.open()
    await enlisted(store)
    const unknown = { outcome: { unknown: 'its worker died' } }
    for (const runId of ['a', 'b']) {
      const { fence } = await claimed(store, runId)
      await store.append(runId, fence, 1, [step(1), step(2, unknown), step(3)])
      await store.append(runId, fence, 4, [
        { ...step(4, unknown), sent: [{ id: `m${runId}`, topic: 't', payload: 1 }] },
      ])
    }
    const places = [
      { runId: 'b', seq: 4 },
      { runId: 'b', seq: 2 },
      { runId: 'a', seq: 4 },
      { runId: 'a', seq: 2 },
    ]
    expect(await store.unknownSteps({})).toEqual({ items: places })
    const first = await store.unknownSteps({ limit: 3 })
    expect(first.items).toEqual(places.slice(0, 3))
    expect(await store.unknownSteps({ limit: 3, after: first.next ?? '' })).toEqual({ items: places.slice(3) })
  })
}
