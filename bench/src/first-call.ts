/**
 * What a cold process that takes an agent up tells of: its first call of model or tool. Programs of bench/peers run this file
 * as it is, without a build: it imports nothing that needs one, and costs next to nothing to import.
 */
import type { KeptRecovery } from './contender.ts'

type Called = (first: 'model' | 'tool', part?: number) => Promise<never>

/** To be called in each call, with the cycle that a tool is called for; only the first one is told. Never resolves. */
export function firstCall(
  { nodeStarted, imported }: Pick<KeptRecovery, 'nodeStarted' | 'imported'>,
  /** The agent was killed in the tool of that cycle. */
  cycles: number,
): Called {
  let isTold = false
  return (first, part) => {
    const isInFlight = first === 'tool' && part === cycles
    const nextStep = performance.now()
    const report: KeptRecovery = { nodeStarted, imported, nextStep, first, repeated: isInFlight ? 0 : 1 }
    if (!isTold) process.send?.(report)
    isTold = true
    return new Promise(() => {})
  }
}
