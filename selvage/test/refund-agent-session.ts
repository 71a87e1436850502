/** The agent with the SDK's sessions, saved with each message: a process that is started again restores and is asked again. */
import { join } from 'node:path'
import { withoutSelvage } from '@selvage/testing/refunds'
import { FileStorage, SessionManager } from '@strands-agents/sdk'
import { refundAgent } from './refund-agent.ts'

await withoutSelvage((order, outside, folder) => {
  const sessionManager = new SessionManager({
    sessionId: 'desk',
    storage: { snapshot: new FileStorage(join(folder, 'session')) },
    saveLatestOn: 'message',
  })
  return refundAgent(outside, { sessionManager }).invoke(String(order))
})
