/** What a model request has beside its messages (model, prompt, tools, which of them to choose), as a short hash. */
import type { Durable } from '@selvage/core'
import type { Agent, InvokeModelContext } from '@strands-agents/sdk'

/** Of one agent. Hashed once as long as it stays the same. */
export class RequestHeader {
  readonly #agent: Agent
  readonly #durable: Durable
  #last: { readonly parts: readonly unknown[]; readonly text: string } | undefined

  constructor(agent: Agent, durable: Durable) {
    this.#agent = agent
    this.#durable = durable
  }

  hash(ctx: InvokeModelContext): string {
    const parts = [
      ctx.model.modelId,
      this.#agent.systemPrompt,
      ctx.toolChoice === undefined ? undefined : JSON.stringify(ctx.toolChoice),
      ...this.#agent.toolRegistry.list().map((tool) => tool.toolSpec),
    ]
    const before = this.#last
    if (before?.parts.length === parts.length && before.parts.every((part, index) => part === parts[index]))
      return before.text
    const text = hashOf(this.#durable, parts)
    this.#last = { parts, text }
    return text
  }
}

/** 16 characters that tell requests of one run apart. */
export function hashOf(durable: Durable, parts: readonly unknown[]): string {
  return durable.id('', JSON.stringify(parts)).slice(0, 16)
}
