/**
 * The ways in which one agent is run through so many cycles. Each is a program that may be killed and started again on
 * the same folder: it goes on from there as the documentation of that way says.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { relieveLoop } from '@selvage/strands/testing'
import { type AgentResult, FileStorage, type InvokeArgs, SessionManager } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { urlOf } from '../contenders/selvage/database.ts'
import { type InstantAgent, instantAgent, type Watch } from './instant-agent.ts'

export interface Shape {
  readonly folder: string
  readonly cycles: number
  readonly resultBytes: number
}

type Run = (shape: Shape, watch?: Watch) => Promise<ReturnType<InstantAgent['calls']>>

interface Way {
  /** Runs the agent, or goes on with it; returns how often this process really called. */
  readonly run: Run
  /** How a second process goes on. */
  readonly resumed: string
}

export type WayName =
  | 'plain'
  | 'plain, with the seam'
  | 'durable, without the seam'
  | 'durable, with the seam'
  | 'SessionManager, per message'
  | 'checkpointing: true, with a SessionManager'

const INPUT = 'Read all of it.'

export const WAYS: { readonly [name in WayName]: Way } = {
  plain: {
    run: async (shape, watch) => {
      const { agent, calls } = instantAgent(shape, watch)
      await agent.invoke(INPUT)
      return calls()
    },
    resumed: 'from the beginning',
  },
  'plain, with the seam': {
    run: async (shape, watch) => {
      const { agent, calls } = instantAgent(shape, watch)
      relieveLoop(agent)
      await agent.invoke(INPUT)
      return calls()
    },
    resumed: 'from the beginning',
  },
  'durable, without the seam': { run: durable(false), resumed: 'start() with the same runId' },
  'durable, with the seam': { run: durable(true), resumed: 'start() with the same runId' },
  'SessionManager, per message': {
    run: async (shape, watch) => {
      const { agent, calls } = instantAgent(shape, watch, { sessionManager: sessionIn(shape.folder) })
      await agent.invoke(INPUT)
      return calls()
    },
    resumed: 'same sessionId, same input',
  },
  'checkpointing: true, with a SessionManager': {
    run: async (shape, watch) => {
      const { agent, calls } = instantAgent(shape, watch, {
        checkpointing: true,
        sessionManager: sessionIn(shape.folder),
      })
      let next: InvokeArgs | undefined = keptCheckpoint(shape.folder) ?? INPUT
      while (next !== undefined) next = keepCheckpoint(shape.folder, await agent.invoke(next))
      return calls()
    },
    resumed: 'same sessionId, last checkpoint',
  },
}

function durable(linear: boolean): Run {
  return async (shape, watch) => {
    const selvage = await openSelvage({ url: urlOf(shape.folder) })
    let made: InstantAgent | undefined
    const program = selvage.agent(
      'reader',
      () => {
        made = instantAgent(shape, watch)
        return made.agent
      },
      { effects: { read: 'read' }, linear },
    )
    await (await program.start(INPUT, { runId: 'reader' })).result()
    await selvage.close()
    return made?.calls() ?? { model: 0, tool: 0 }
  }
}

/** The SDK hands checkpoints out and leaves it to its user to keep them. What to go on with, unless it ended. */
function keepCheckpoint(folder: string, { stopReason, checkpoint }: AgentResult): InvokeArgs | undefined {
  if (stopReason !== 'checkpoint') return undefined
  if (checkpoint === undefined) throw new Error('a checkpoint without its position')
  const resume = { checkpointResume: { checkpoint: checkpoint.toJSON() } }
  const file = checkpointFile(folder)
  writeFileSync(`${file}.new`, JSON.stringify(resume))
  renameSync(`${file}.new`, file)
  return resume
}

function keptCheckpoint(folder: string): InvokeArgs | undefined {
  try {
    return JSON.parse(readFileSync(checkpointFile(folder), 'utf8')) as InvokeArgs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function checkpointFile(folder: string): string {
  return join(folder, 'checkpoint.json')
}

function sessionIn(folder: string): SessionManager {
  return new SessionManager({
    sessionId: 'bench',
    storage: { snapshot: new FileStorage(folder) },
    saveLatestOn: 'message',
  })
}
