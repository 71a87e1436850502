/**
 * Notices that an agent has another system prompt than it is known to have: nothing tells when the body of a tool or a
 * hook gives it one. A tool's is recorded with its result, any other with the next model call or the end of the turn; so
 * it is there when another process goes on, whose own code gives the agent the first one again.
 */
import type { Json } from '@selvage/core'
import { type Agent, type JSONValue, SNAPSHOT_SCHEMA_VERSION } from '@strands-agents/sdk'

export class PromptWatch {
  /** What code gave the agent, as JSON text; undefined: none. */
  readonly given: string | undefined
  readonly #agent: Agent
  /** As JSON text: one that is made of blocks may be edited in place. */
  #known: string
  /** The known one, if it is no more than a text. */
  #text: string | undefined

  constructor(agent: Agent) {
    this.#agent = agent
    this.given = JSON.stringify(agent.systemPrompt)
    this.#known = this.given ?? 'null'
  }

  /** What it is now, if that is not what is known; `null`: the agent has none. */
  changed(): Json | undefined {
    const { systemPrompt = null } = this.#agent
    if (typeof systemPrompt === 'string' && systemPrompt === this.#text) return undefined
    const now = JSON.stringify(systemPrompt)
    if (now !== this.#known) return JSON.parse(now) as Json
    this.#text = typeof systemPrompt === 'string' ? systemPrompt : undefined
    return undefined
  }

  /** That is recorded. */
  knows(recorded: Json): void {
    this.#known = JSON.stringify(recorded)
    this.#text = undefined
  }

  /** Gives the agent what is recorded. */
  apply(recorded: Json): void {
    this.#agent.loadSnapshot({
      scope: 'agent',
      schemaVersion: SNAPSHOT_SCHEMA_VERSION,
      createdAt: '',
      data: { systemPrompt: recorded as JSONValue },
      appData: {},
    })
    this.knows(recorded)
  }
}
