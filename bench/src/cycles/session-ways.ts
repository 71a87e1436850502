/** The ways that the SDK itself has to keep an agent: a session that is saved at each message, and checkpoints. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { relieveLoop } from '@selvage/strands/testing'
import {
  type Agent,
  type AgentResult,
  FileStorage,
  type InvokeArgs,
  type SaveLatestStrategy,
  SessionManager,
} from '@strands-agents/sdk'
import { type InstantAgent, type InstantShape, instantAgent, type Watch } from './instant-agent.ts'

export const INPUT = 'Read all of it.'

interface KeptShape extends InstantShape {
  readonly folder: string
}

/** Runs the agent, or goes on with it from what is in the folder; how often this process really called. */
export async function keptBySdk(
  shape: KeptShape,
  watch: Watch | undefined,
  checkpointing: boolean,
): Promise<ReturnType<InstantAgent['calls']>> {
  const sessionManager = sessionIn(shape.folder, 'message')
  const { agent, calls } = instantAgent(shape, watch, { sessionManager, checkpointing })
  await invokeToEnd(agent, shape.folder, checkpointing)
  return calls()
}

/**
 * As `keptBySdk` leaves the folder when it is killed in the tool of the last cycle, without saving thousands of
 * messages thousands of times on the way there: the session is saved once, in that tool, which then calls `there` and
 * stands still.
 */
export async function leaveKeptBySdk(shape: KeptShape, checkpointing: boolean, there: () => void): Promise<void> {
  const sessionManager = sessionIn(shape.folder, 'trigger')
  const standStill = async (): Promise<void> => {
    await sessionManager.saveSnapshot({ target: agent, isLatest: true })
    there()
    await new Promise(() => {})
  }
  const watch: Watch = { model: () => {}, tool: (part) => (part === shape.cycles ? standStill() : undefined) }
  const { agent } = instantAgent(shape, watch, { sessionManager, checkpointing })
  relieveLoop(agent)
  await invokeToEnd(agent, shape.folder, checkpointing)
}

async function invokeToEnd(agent: Agent, folder: string, checkpointing: boolean): Promise<void> {
  let next: InvokeArgs | undefined = (checkpointing ? keptCheckpoint(folder) : undefined) ?? INPUT
  while (next !== undefined) next = keepCheckpoint(folder, await agent.invoke(next))
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

function sessionIn(folder: string, saveLatestOn: SaveLatestStrategy): SessionManager {
  return new SessionManager({ sessionId: 'bench', storage: { snapshot: new FileStorage(folder) }, saveLatestOn })
}
