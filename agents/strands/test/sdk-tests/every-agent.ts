/**
 * The gate on an agent that a test of the SDK has made, without the test knowing: a run of its own in memory, not an entry
 * in the agent's list of plugins. vitest.config.ts calls it behind the constructor of every Agent.
 */
import { UsageError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import type { Agent } from '@strands-agents/sdk'
import { createDurablePlugin } from '../../src/plugin.ts'
import { MemoryEngine } from '../memory-engine.ts'

/**
 * Nothing here takes a turn of the event loop: tests that stop the clock let it run once, behind what an agent without a gate
 * does at once. Promises that follow from one another are drained in so many steps.
 */
const STEPS = 300
const runtime = {
  ...nodeRuntime(),
  drain: async () => {
    for (let step = 0; step < STEPS; step++) await undefined
  },
}

/** Not by an import, which a test may have mocked. */
const { appendFileSync } = process.getBuiltinModule('node:fs')
let agents = 0

/** Agents that Selvage refuses (UNSUPPORTED) are left as they are, and counted. */
export function gateAgent(agent: Agent): void {
  const memory = new MemoryEngine(runtime, { isPrompt: true })
  const plugin = createDurablePlugin({ runId: `agent-${++agents}`, log: () => {} }, async () => ({
    engine: memory.engine,
    createHost: (programs) => memory.host(programs),
  }))
  try {
    plugin.initAgent?.(agent)
    note('gated')
  } catch (error) {
    if (!UsageError.is(error) || error.code !== 'UNSUPPORTED') throw error
    note('refused')
  }
}

function note(what: 'gated' | 'refused'): void {
  const file = process.env.SELVAGE_SDK_GATES
  if (file !== undefined) appendFileSync(file, `${what}\n`)
}
