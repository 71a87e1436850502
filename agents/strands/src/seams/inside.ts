/**
 * Every use of what the Strands SDK does not promise is in this folder: private members, undocumented shapes, rules that only
 * its code says. Tried with 1.16.0 and 1.19.0; seams.test.ts holds a contract test for each, to be run against every version.
 *
 * Public, and so used elsewhere: both middleware stages, `addHook`, `messages`, `appState`, `loadSnapshot`, the event and
 * message classes.
 *
 * This file: what is inside of an agent.
 */
import type {
  Agent,
  AgentResult,
  AgentStreamEvent,
  Interrupt,
  InterruptResponseContentData,
  InvocationState,
  InvokeArgs,
  InvokeOptions,
  McpClient,
  Usage,
} from '@strands-agents/sdk'

/** One pass of an invocation: everything between the hooks Before- and AfterInvocation. */
export type Invocation = (
  args: InvokeArgs | undefined,
  options: InvokeOptions | undefined,
  invocationState: InvocationState,
  continuation: unknown,
) => AsyncGenerator<AgentStreamEvent, AgentResult, undefined>

export interface Inside {
  _streamWithMiddleware: Invocation
  _invokeModelWithMiddleware?: ((...args: unknown[]) => AsyncGenerator) | undefined
  readonly _tracer?: { _addEventMessages?: ((span: unknown, messages: unknown) => void) | undefined }
  _throwIfCancelled(): void
  readonly _interruptState: InterruptStateInside
  readonly _middlewareRegistry?: { readonly _handlers?: Map<unknown, unknown> }
  readonly _hooksRegistry?: HooksInside
  readonly _backgroundTasks: unknown
  readonly _checkpointing: boolean
  readonly _meter: MeterInside
  _mcpClients?: readonly McpClient[]
}

export interface HooksInside {
  invokeCallbacks?: (event: unknown) => Promise<unknown>
  readonly getCallbacksFor?: (event: unknown) => readonly unknown[]
}

export interface InterruptStateInside {
  interrupts: Record<string, Interrupt>
  activated: boolean
  resume(responses: readonly InterruptResponseContentData[]): void
  getOrCreateInterrupt(
    id: string,
    name: string,
    reason: Interrupt['reason'],
    response: Interrupt['response'],
    source: Interrupt['source'],
  ): Interrupt
}

export interface MeterInside {
  _cycleCount: number
  _accumulatedUsage: Usage
  _agentInvocations: { cycles: { cycleId: string; duration: number; usage: Usage }[]; usage: Usage }[]
  startNewInvocation(): void
}

export function inside(agent: Agent): Inside {
  return agent as unknown as Inside
}

/** Objects that are looked at: enough for plugins and what they hold, little enough for data that they hold. */
export const MOST_OBJECTS = 2_000

/** What an object holds; of large data, a part. */
export function fieldsOf(value: object): unknown[] {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) {
    const items: unknown[] = []
    for (const item of value.values()) {
      if (items.length === MOST_OBJECTS) break
      items.push(item)
    }
    return items
  }
  const fields = Object.values(Object.getOwnPropertyDescriptors(value))
  return fields.flatMap((field) => (typeof field.value === 'object' ? [field.value] : []))
}
