/** Token counts, added up over the whole run: a resumed run goes on counting where it was. */
import type { Usage } from '@strands-agents/sdk'

export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0, totalTokens: 0 }

/** Every number that a provider tells is added, also those that the SDK does not name. */
export function addUsage(sum: Usage, more: Usage | undefined): Usage {
  if (more === undefined) return sum
  const total: Record<string, number> = { ...sum }
  for (const [name, count] of Object.entries(more)) {
    if (typeof count === 'number') total[name] = (total[name] ?? 0) + count
  }
  return total as unknown as Usage
}
