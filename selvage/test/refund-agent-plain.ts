/** The agent as it is: a process that is started again begins anew. */
import { withoutSelvage } from '@selvage/testing/refunds'
import { refundAgent } from './refund-agent.ts'

await withoutSelvage((order, outside) => refundAgent(outside).invoke(String(order)))
