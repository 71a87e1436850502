/** What of a run of the team must be the same however often its processes died, and what somebody outside answers it. */
import type { Entry, Json } from '@selvage/core'
import { conversationOf, type OrchestratorOptions, type OrchestratorRunResult } from '@selvage/strands'
import { charged } from './team.ts'

/** What the target systems know, by idempotency key. */
export interface Known {
  find(matches: (line: { readonly idempotencyKey: string }) => boolean): unknown
}

export function optionsOf(known: Known): OrchestratorOptions {
  return {
    effects: {
      look: 'read',
      search: 'read',
      charge: {
        effect: 'once',
        reconcile: ({ idempotencyKey }) =>
          known.find((line) => line.idempotencyKey === idempotencyKey) === undefined
            ? { done: false }
            : { done: true, result: charged(13) },
      },
    },
    log: () => {},
  }
}

/** Who is asked tells what he was asked: an answer that goes to another question is seen. */
export function answerOf(reason: Json | undefined): string {
  return `yes to ${JSON.stringify(reason)}`
}

export function comparable(result: OrchestratorRunResult): OrchestratorRunResult {
  return { ...result, results: result.results.toSorted((one, other) => (one.nodeId < other.nodeId ? -1 : 1)) }
}

const SCOPE = /^(?:(?:call|agent|node):[^/]*\/)+/

/** Of each scope: conversation, state and tokens, without the ids that messages are given anew in each process. */
export function conversations(entries: readonly Entry[]): { readonly [scope: string]: unknown } {
  const scopes = new Set(entries.flatMap((entry) => ('key' in entry ? (SCOPE.exec(entry.key)?.[0] ?? []) : [])))
  return Object.fromEntries(
    [...scopes].sort().map((scope) => {
      const conversation = conversationOf(entries, scope)
      const { messages, state, usage, answers } = conversation
      const said = [...messages, ...conversation.implied()].map((message) => {
        const { role, content, metadata } = message.toJSON()
        return { role, content, usage: metadata?.usage }
      })
      return [scope, { said, state: Object.fromEntries([...state].sort()), usage, answers }]
    }),
  )
}
