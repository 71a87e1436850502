/** The team of `team.ts`, killed in seeded schedules: for `npm run soak`, and 25 seeds of it in `npm test`. */
import type { Durable, Entry, Program } from '@selvage/core'
import { createOrchestratorProgram, type OrchestratorRunResult } from '@selvage/strands'
import type { Scenario } from '@selvage/testing/conformance'
import { type Act, makeTeam } from './team.ts'
import { answerOf, comparable, conversations, optionsOf } from './team-judge.ts'

type Outside = Parameters<Scenario['programs']>[0]

export const scenario: Scenario = {
  programs: (outside) => [
    judged(
      createOrchestratorProgram('graph', 'team', () => makeTeam(onceIn(outside)), optionsOf(outside)),
      onceIn(outside),
    ),
  ],
  start: { program: 'team', input: 'Do all of it.' },
  answer: (question) => ({ value: answerOf(question.reason) }),
  needs: needs(),
  extract: (entries: readonly Entry[]) => conversations(entries),
}

/**
 * As the harness judges programs: the results in the order of ids, because which of two nodes ends first is not in the
 * journal before one has; and a line outside for each step, also for those that record what others came to.
 */
function judged(program: Program, act: Act): Program {
  const run: Program['run'] = async (durable) =>
    comparable((await program.run(telling(durable, act))) as OrchestratorRunResult)
  return { ...program, run }
}

/** The result of a node, and of an agent that is a tool: nothing of it acts but what is inside. */
const WHOLE = /^(?:node:[^/]+|.*\/tool:[^/]+)$/
const AGENTS: ReadonlySet<string> = new Set(['archive', 'scout'])

function telling(durable: Durable, act: Act): Durable {
  const step: Durable['step'] = (op, live, behaviour) => {
    if (!WHOLE.test(op.key) || (op.kind === 'tool' && !AGENTS.has(op.name))) return durable.step(op, live, behaviour)
    const told: typeof live = async (at) => {
      const value = await live(at)
      act(at)
      return value
    }
    return durable.step(op, told, behaviour)
  }
  return new Proxy(durable, {
    get: (target, name) => {
      if (name === 'step') return step
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** One process makes a step once: a repeat is that of a step which was in flight when another process was killed. */
function onceIn(outside: Outside): Act {
  return (at) => {
    const { runId, key, attempt } = at
    const here = outside.find(
      (line) => line.runId === runId && line.key === key && line.attempt === attempt && line.pid === process.pid,
    )
    // Told in the conversation, or as a failure of the run: both are seen.
    if (here !== undefined) throw new Error(`${key} is made twice by process ${process.pid}`)
    outside.act(at)
  }
}

/** What is durable before a model is asked again or the next node begins. */
function needs(): NonNullable<Scenario['needs']> {
  const research = 'node:research#1/'
  const price = 'node:price#1/'
  const write = 'node:write#1/'
  const archive = `${research}agent:archive/`
  const scouts = ['call:call_1_3@1/', 'call:call_2_1@2/'].map((call) => `${research}${call}`)
  const within = (scope: string, keys: readonly string[]): readonly string[] => keys.map((key) => `${scope}${key}`)
  return {
    'node:plan#1/model#2': ['node:plan#1/model#1', 'node:plan#1/tool:call_1_1@1'],
    [`${research}model#1`]: ['node:plan#1'],
    [`${price}model#1`]: ['node:plan#1'],
    [`${archive}model#1`]: [`${research}model#1`],
    [`${archive}model#2`]: within(archive, ['tool:call_1_1@1', 'tool:call_1_2@1', 'tool:call_1_3@1']),
    [`${archive}model#3`]: [`${research}model#2`, `${research}tool:call_1_1@1`],
    [`${archive}model#4`]: within(archive, ['model#3', 'tool:call_3_1@3']),
    ...Object.fromEntries(
      scouts.map((scout) => [`${scout}model#2`, within(scout, ['tool:call_1_1@1', 'tool:call_1_2@1~2'])]),
    ),
    [`${research}model#2`]: within(research, ['tool:call_1_1@1', 'tool:call_1_2@1', 'tool:call_1_3@1']),
    [`${research}model#3`]: within(research, ['tool:call_2_1@2', 'tool:call_2_2@2', 'tool:call_2_3@2']),
    [`${price}model#2`]: within(price, ['tool:call_1_1@1', 'tool:call_1_2@1~2', 'tool:call_1_3@1']),
    [`${price}model#3`]: within(price, ['tool:call_2_1@2', 'tool:call_2_2@2']),
    [`${write}model#1`]: ['node:research#1', 'node:price#1'],
    [`${write}model#4`]: within(write, ['tool:draft_1@1', 'tool:draft_2@2', 'tool:draft_3@3']),
    [`${write}beyond:write@4`]: [`${write}model#4`],
    [`${write}model#5`]: [`${write}beyond:write@4`],
    [`${write}model#6`]: [`${write}tool:out@5`],
  }
}
