/** The ways in which one agent is run through so many cycles. */
import { relieveLoop } from '@selvage/strands/testing'
import { FileStorage, SessionManager } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { urlOf } from '../contenders/selvage/database.ts'
import { type InstantAgent, instantAgent } from './instant-agent.ts'

export interface Shape {
  readonly folder: string
  readonly cycles: number
  readonly resultBytes: number
}

/** Runs the agent; returns how often it really called. */
type Way = (shape: Shape) => Promise<ReturnType<InstantAgent['calls']>>

export type WayName =
  | 'plain'
  | 'plain, with the seam'
  | 'durable, without the seam'
  | 'durable, with the seam'
  | 'SessionManager, per message'
  | 'checkpointing: true, with a SessionManager'

const INPUT = 'Read all of it.'

export const WAYS: { readonly [name in WayName]: Way } = {
  plain: async ({ cycles, resultBytes }) => {
    const { agent, calls } = instantAgent(cycles, resultBytes)
    await agent.invoke(INPUT)
    return calls()
  },
  'plain, with the seam': async ({ cycles, resultBytes }) => {
    const { agent, calls } = instantAgent(cycles, resultBytes)
    relieveLoop(agent)
    await agent.invoke(INPUT)
    return calls()
  },
  'durable, without the seam': (shape) => durable(shape, false),
  'durable, with the seam': (shape) => durable(shape, true),
  'SessionManager, per message': async ({ folder, cycles, resultBytes }) => {
    const { agent, calls } = instantAgent(cycles, resultBytes, { sessionManager: sessionIn(folder) })
    await agent.invoke(INPUT)
    return calls()
  },
  'checkpointing: true, with a SessionManager': async ({ folder, cycles, resultBytes }) => {
    const { agent, calls } = instantAgent(cycles, resultBytes, {
      checkpointing: true,
      sessionManager: sessionIn(folder),
    })
    let result = await agent.invoke(INPUT)
    while (result.stopReason === 'checkpoint') {
      if (result.checkpoint === undefined) throw new Error('a checkpoint without its position')
      result = await agent.invoke({ checkpointResume: { checkpoint: result.checkpoint.toJSON() } } as never)
    }
    return calls()
  },
}

async function durable({ folder, cycles, resultBytes }: Shape, linear: boolean): ReturnType<Way> {
  const selvage = await openSelvage({ url: urlOf(folder) })
  let made: InstantAgent | undefined
  const program = selvage.agent(
    'reader',
    () => {
      made = instantAgent(cycles, resultBytes)
      return made.agent
    },
    { effects: { read: 'read' }, linear },
  )
  await (await program.start(INPUT)).result()
  await selvage.close()
  return made?.calls() ?? { model: 0, tool: 0 }
}

function sessionIn(folder: string): SessionManager {
  return new SessionManager({
    sessionId: 'bench',
    storage: { snapshot: new FileStorage(folder) },
    saveLatestOn: 'message',
  })
}
