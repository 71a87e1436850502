import type { Durable, Json, Question } from '@selvage/core'

/** What an interrupt shows to whoever answers it. */
export interface InterruptRequest {
  readonly name: string
  /** The tool whose body stopped to ask. */
  readonly tool?: string | undefined
  readonly reason?: Json | undefined
  /** The arguments of that tool. */
  readonly input?: Json | undefined
}

/** A question that is in the journal. */
export interface AskedInterrupt {
  readonly question: Question
  /** Whether an answer has arrived that nobody consumed yet: lets a caller stop with the question open instead of waiting. */
  answered(): boolean
  /** The answer, as it was given. Waits for ever. */
  wait(): Promise<Json>
}

/**
 * Asks what an interrupt of a tool or hook asks, under `key` (unique in the run). Resolves once the question is durable,
 * and before it is answered. Asked again under the same key (a resumed program), it is the same question.
 */
export async function askInterrupt(durable: Durable, key: string, request: InterruptRequest): Promise<AskedInterrupt> {
  const question: Question = {
    id: durable.id('ap_', key),
    kind: 'interrupt',
    name: request.name,
    ...(request.tool !== undefined && { tool: request.tool }),
    ...(request.input !== undefined && { input: request.input }),
    ...(request.reason !== undefined && { reason: request.reason }),
  }
  await durable.open(key, question)
  return {
    question,
    answered: () => durable.arrived(question.id),
    wait: async () => {
      const result = await durable.wait<{ value?: Json }>(key, question.id)
      // Without a deadline a wait is only over by its signal.
      return result.ok ? (result.value?.value ?? null) : null
    },
  }
}
