/** Token counts, added up over the whole run: a resumed run goes on counting where it was. */
import type { Usage } from '@strands-agents/sdk'

export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0, totalTokens: 0 }

/** Every number that a provider tells is added, also those that the SDK does not name. */
export function addUsage(sum: Usage, more: Usage | undefined): Usage {
  if (more === undefined) return sum
  const total = { ...sum }
  addInto(total, more)
  return total
}

/** Adds to `sum` itself. */
export function addInto(sum: Usage, more: Usage): void {
  const total = sum as unknown as Record<string, number>
  const counts = more as unknown as Record<string, unknown>
  for (const name in counts) {
    const count = counts[name]
    if (typeof count === 'number') total[name] = (total[name] ?? 0) + count
  }
}
