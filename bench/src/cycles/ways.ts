/**
 * The ways in which one agent is run through so many cycles. Each is a program that may be killed and started again on
 * the same folder: it goes on from there as the documentation of that way says.
 */
import { relieveLoop } from '@selvage/strands/testing'
import { openSelvage } from 'selvage'
import { urlOf } from '../contenders/selvage/database.ts'
import { type InstantAgent, instantAgent, type Watch } from './instant-agent.ts'
import { type MessageBytes, messageBytes } from './message-bytes.ts'
import { INPUT, keptBySdk } from './session-ways.ts'

export interface Shape {
  readonly folder: string
  readonly cycles: number
  readonly resultBytes: number
}

/** What this process has really called. */
export interface Ran extends ReturnType<InstantAgent['calls']> {
  readonly messageBytes?: () => MessageBytes
}

interface Way {
  /** Runs the agent, or goes on with it. */
  readonly run: (shape: Shape, watch?: Watch) => Promise<Ran>
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

/** It is invoked anew behind each checkpoint, and asks the model again where it stood behind an answer. */
export const CHECKPOINTING = 'checkpointing: true, with a SessionManager'

export const WAYS: { readonly [name in WayName]: Way } = {
  plain: { run: plain(false), resumed: 'from the beginning' },
  'plain, with the seam': { run: plain(true), resumed: 'from the beginning' },
  'durable, without the seam': { run: durable(false), resumed: 'start() with the same runId' },
  'durable, with the seam': { run: durable(true), resumed: 'start() with the same runId' },
  'SessionManager, per message': {
    run: (shape, watch) => keptBySdk(shape, watch, false),
    resumed: 'same sessionId, same input',
  },
  [CHECKPOINTING]: {
    run: (shape, watch) => keptBySdk(shape, watch, true),
    resumed: 'same sessionId, last checkpoint',
  },
}

function plain(linear: boolean): Way['run'] {
  return async (shape, watch) => {
    const { agent, calls } = instantAgent(shape, watch)
    if (linear) relieveLoop(agent)
    await agent.invoke(INPUT)
    return calls()
  }
}

function durable(linear: boolean): Way['run'] {
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
    if (made === undefined) throw new Error('the run ended without its agent')
    const { agent, calls } = made
    return { ...calls(), messageBytes: () => messageBytes(agent.messages) }
  }
}
