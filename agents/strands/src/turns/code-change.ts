/**
 * Noticing that an agent's code is not what the run began with: another process has other code, where recorded answers
 * stand all the same, or a tool has given its agent some while it ran, which no other process will have.
 */
import { RunError } from '@selvage/core'
import type { Agent } from '@strands-agents/sdk'
import type { Identity } from '../conversation/fold.ts'
import { type Scope, toJson } from '../gates/scope.ts'

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
  const hash = (text = ''): string => scope.durable.id('', text).slice(0, 12)
  return {
    model: agent.model.modelId ?? '',
    // What the run has made of it is no change of code.
    prompt: hash(scope.prompt.given),
    tools: hash(JSON.stringify(agent.toolRegistry.list().map((tool) => tool.toolSpec))),
  }
}

/** The model and the tools of an agent. */
export interface Code {
  readonly model: Agent['model']
  readonly tools: ReadonlySet<string>
}

export function codeOf({ model, toolRegistry }: Agent): Code {
  return { model, tools: new Set(toolRegistry.list().map(({ name }) => name)) }
}

/** In words, what the agent has got and lost since then. */
export function codeChanges(agent: Agent, before: Code): string[] {
  const { model, tools } = codeOf(agent)
  const added = [...tools].filter((name) => !before.tools.has(name))
  const lost = [...before.tools].filter((name) => !tools.has(name))
  return [
    ...(model === before.model ? [] : ['got another model']),
    ...(added.length > 0 ? [`got ${toolsCalled(added)}`] : []),
    ...(lost.length > 0 ? [`lost ${toolsCalled(lost)}`] : []),
  ]
}

function toolsCalled(names: readonly string[]): string {
  return `the ${names.length === 1 ? 'tool' : 'tools'} ${names.join(', ')}`
}
