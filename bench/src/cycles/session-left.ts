/**
 * What an agent leaves behind that the SDK keeps by itself, for who takes it up. Apart from session-ways.ts, whose import is
 * measured there: code of ours is no part of it.
 */
import { relieveLoop } from '@selvage/strands/testing'
import { instantAgent, type Watch } from './instant-agent.ts'
import { invokeToEnd, type KeptShape, sessionIn } from './session-ways.ts'

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
