/** For benchmarks: what the linear-cost seam does to an agent that is not durable. */
import { type Agent, InvokeModelStage } from '@strands-agents/sdk'
import { makeLinear } from '../turns/linear.ts'

/** Relieves the loop of a plain agent as that of a durable one is; see linear.ts. Once for an agent, before it is invoked. */
export function relieveLoop(agent: Agent): void {
  const gate = makeLinear(
    agent,
    (ctx, next) => next(ctx),
    (line) => {
      throw new Error(line)
    },
    () => false,
  )
  agent.addMiddleware(InvokeModelStage, gate)
}
