import type { StepContext } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'

const { context } = nodeRuntime()

/**
 * The step that this code runs in, undefined outside of one. It reaches the body of a tool without changing the tool:
 * pass `currentStep()?.idempotencyKey` to the system that the tool acts on, and it can tell a repeated call from a new one.
 */
export function currentStep(): StepContext | undefined {
  return context.get()
}
