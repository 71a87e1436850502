/** Does it for each, so many at a time. */
export async function atOnce<Item, Result>(
  width: number,
  items: readonly Item[],
  body: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const left = [...items.entries()]
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, item] = next
      results[index] = await body(item)
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  return results
}

/** Two processes at a time: what a play costs is the start of its processes, and there are at least two cores. */
export function twoAtOnce<Item, Result>(
  items: readonly Item[],
  body: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  return atOnce(2, items, body)
}
