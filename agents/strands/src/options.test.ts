/** Whatever takes options refuses one that it does not know: no misspelling is ignored. */
import { nodeRuntime } from '@selvage/runtime-node'
import { Agent, BeforeModelCallEvent } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { play } from '../test/scenario.ts'
import { createDurablePlugin } from './plugin.ts'
import { createAgentProgram } from './programs/agent-program.ts'
import { createOrchestratorProgram } from './programs/orchestrator-program.ts'
import { createSessionProgram } from './programs/session-program.ts'
import { runOf } from './run-of.ts'

const factory = () => new Agent()
const open = () => Promise.reject(new Error('never opened'))
const agent = (options: object) => createAgentProgram('a', factory, options)
const misspelt = { efect: 'once' } as never

/** What makes a program, or a part of it, of options. */
const surfaces: { readonly [what: string]: (options: never) => unknown } = {
  'Agent program "a"': (options) => createAgentProgram('a', factory, options),
  'Agent program "s"': (options) => createSessionProgram('s', factory, options),
  'Graph program "g"': (options) =>
    createOrchestratorProgram('graph', 'g', () => new Graph({ nodes: [], edges: [] }), options),
  'durable()': (options) => createDurablePlugin(options, open),
  'The budget of an agent': (budget) => agent({ budget }),
  loopGuard: (loopGuard) => agent({ loopGuard }),
  'A fallback': (fallback) => agent({ fallback: [fallback] }),
  circuitBreaker: (circuitBreaker) => agent({ circuitBreaker }),
  'A circuit breaker': (model) => agent({ circuitBreaker: { model } }),
  'The approval of tool "pay"': (pay) => agent({ approvals: { pay } }),
}

const also: { readonly [what: string]: (options: never) => unknown } = {
  'An effect': (charge) => agent({ effects: { charge } }),
  'A retry policy': (retry) => agent({ retry }),
  'The timeout of tool "look"': (options) => agent({ timeouts: { look: { timeout: 1, ...(options as object) } } }),
}

function thrownBy(make: () => unknown): unknown {
  try {
    return make()
  } catch (error) {
    return error
  }
}

describe('options', () => {
  it.each([...Object.entries(surfaces), ...Object.entries(also)])('%s knows no misspelling', (what, make) => {
    expect(thrownBy(() => make(misspelt))).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(`${what} has no option "efect". It knows `),
    })
  })

  it.each(Object.entries(surfaces))('%s takes no text, list or null for options', (what, make) => {
    for (const given of ['once', ['once'], null]) {
      expect(
        thrownBy(() => make(given as never)),
        String(given),
      ).toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining(`${what} was given`),
      })
    }
  })

  it('that are reserved are said to be not built, and named by no hint', () => {
    expect(thrownBy(() => agent({ compensate: () => {} }))).toMatchObject({ code: 'UNSUPPORTED' })
    expect(thrownBy(() => createDurablePlugin({ runId: 'r', timeout: 1 } as never, open))).toMatchObject({
      code: 'UNSUPPORTED',
    })
    expect(thrownBy(() => agent(misspelt))).toMatchObject({ hint: expect.not.stringContaining('compensate') })
  })
})

it("a step of an agent's own code knows no misspelling", async () => {
  const { how } = await play(nodeRuntime(), {
    script: ['Done.'],
    prepare: (made) => {
      made.addHook(BeforeModelCallEvent, async (event) => {
        for (const given of [misspelt, { compensate: () => {} }, null, 'once'] as never[]) {
          await expect(runOf(event)?.step('charge', () => 1, given)).rejects.toMatchObject({
            code: 'BAD_INPUT',
            message: expect.stringMatching(/^Step "charge" of agent run .* (has no option|was given)/),
          })
        }
        // Whom to ask is an option, too, and is not lost on its way.
        const charged = runOf(event)?.step('charge', () => 1, { effect: 'once', ask: misspelt })
        await expect(charged).rejects.toMatchObject({ message: expect.stringContaining('Approval "of an unknown') })
      })
    },
  })
  expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
})
