/** Noticing that an agent's code is not what the run began with. Recorded answers stand all the same. */
import { RunError } from '@selvage/core'
import type { Agent } from '@strands-agents/sdk'
import type { Identity } from './fold.ts'
import { type Scope, toJson } from './scope.ts'

const PARTS = { model: 'model', prompt: 'system prompt', tools: 'tools' } as const

/** Called once per process and run. `stop`: CODE_CHANGED, and nothing runs. */
export function checkCode(scope: Scope, onCodeChange: 'continue' | 'stop', log: (line: string) => void): void {
  const { durable, fold, agent } = scope
  const now = identityOf(scope, agent)
  const before = fold.identity
  if (before !== undefined) {
    const changed = (Object.keys(PARTS) as (keyof Identity)[]).filter((part) => before[part] !== now[part])
    if (changed.length === 0) return
    const what = changed.map((part) => PARTS[part]).join(', ')
    if (onCodeChange === 'stop') {
      throw new RunError(
        'CODE_CHANGED',
        `Agent "${agent.name}" has changed since run ${durable.runId} began: ${what}.`,
        {
          hint: "Put the old code back and retry the run, start a new one, or set onCodeChange: 'continue'.",
          details: { runId: durable.runId, changed },
        },
      )
    }
    log(
      `Agent "${agent.name}" has changed since run ${durable.runId} began (${what}): what was recorded stands, the rest runs with the new code.`,
    )
  }
  fold.identity = now
  void durable.state(scope.key('agent'), toJson(now))
}

function identityOf(scope: Scope, agent: Agent): Identity {
  const hash = (value: unknown): string => scope.durable.id('', JSON.stringify(value) ?? '').slice(0, 12)
  return {
    model: agent.model.modelId ?? '',
    prompt: hash(agent.systemPrompt),
    tools: hash(agent.toolRegistry.list().map((tool) => tool.toolSpec)),
  }
}
