/** The ways that the SDK itself has to keep an agent: a session that is saved at each message, and checkpoints. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

export interface KeptShape extends InstantShape {
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

export async function invokeToEnd(agent: Agent, folder: string, checkpointing: boolean): Promise<void> {
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

export function sessionIn(folder: string, saveLatestOn: SaveLatestStrategy): SessionManager {
  return new SessionManager({ sessionId: 'bench', storage: { snapshot: new FileStorage(folder) }, saveLatestOn })
}
