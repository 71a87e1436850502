/** Work on many things that leaves the event loop a turn every few milliseconds, for tokens, timers and heartbeats. */
const SLICE_MS = 5

export async function inTurns<Item>(items: Iterable<Item>, each: (item: Item) => Promise<void>): Promise<void> {
  let began = performance.now()
  for (const item of items) {
    await each(item)
    if (performance.now() - began < SLICE_MS) continue
    await new Promise((resolve) => void setImmediate(resolve))
    began = performance.now()
  }
}
