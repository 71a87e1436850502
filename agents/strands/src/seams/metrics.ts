/** The seams of an agent's meter. */
import type { Agent, Usage } from '@strands-agents/sdk'
import { addInto } from '../conversation/usage.ts'
import { inside, type MeterInside } from './inside.ts'

/** What an agent has used so far, in all invocations of this process. */
export function usedSoFar(agent: Agent): { readonly usage: Usage; readonly cycles: number } {
  const { _accumulatedUsage, _cycleCount } = inside(agent)._meter
  return { usage: { ..._accumulatedUsage }, cycles: _cycleCount }
}

/** Cycles of the loop that have begun, in this process and in those that it goes on from. */
export function cyclesSoFar(agent: Agent): number {
  return inside(agent)._meter._cycleCount
}

/**
 * Lets `agent.metrics`, and limits per invocation, go on where a resumed run was: earlier usage is put into the meter's
 * sums, that of the resumed turn into the invocation that begins next. `turn`: by cycle; `now`: of the cycle that the turn
 * goes on in. OpenTelemetry counters are not touched, what was counted by another process was exported by it.
 */
export function restoreMetrics(
  agent: Agent,
  usage: Usage,
  cyclesBefore: number,
  turn: readonly Usage[],
  now?: Usage,
): void {
  const meter = inside(agent)._meter
  meter._accumulatedUsage = { ...usage }
  meter._cycleCount = cyclesBefore + turn.length
  delete (meter as Partial<MeterInside>).startNewInvocation
  if (turn.length === 0 && now === undefined) return
  meter.startNewInvocation = function (this: MeterInside) {
    delete (this as Partial<MeterInside>).startNewInvocation
    this.startNewInvocation()
    const invocation = this._agentInvocations.at(-1)
    if (invocation === undefined) return
    const total = { ...invocation.usage }
    for (const [index, usage] of turn.entries()) {
      addInto(total, usage)
      invocation.cycles.push({ cycleId: `cycle-${cyclesBefore + index + 1}`, duration: 0, usage: { ...usage } })
    }
    if (now !== undefined) addInto(total, now)
    invocation.usage = total
  }
}
