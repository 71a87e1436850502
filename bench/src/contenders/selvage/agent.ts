/** A managed agent, as users write it, with a model that answers at once. */
import { scriptedModel } from '@selvage/strands/testing'
import { Agent, NullConversationManager, tool } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import type { AgentBytes, AgentShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'
import { urlOf } from './database.ts'

export async function agent(folder: string, { cycles, resultBytes }: AgentShape): Promise<AgentBytes> {
  const result = payloads(resultBytes + 2)
  let made: Agent | undefined
  const selvage = await openSelvage({ url: urlOf(folder), durability: 'normal' })
  const program = selvage.agent(
    'reader',
    () => {
      const model = scriptedModel((_messages, { answer }) =>
        answer > cycles ? 'I have read all of it.' : { tools: [{ name: 'read', input: { part: answer } }] },
      )
      const read = tool({
        name: 'read',
        description: 'Reads one part of the text.',
        inputSchema: { type: 'object', properties: { part: { type: 'number' } }, required: ['part'] },
        callback: (input) => result((input as { part: number }).part),
      })
      made = new Agent({ model, tools: [read], conversationManager: new NullConversationManager(), printer: false })
      return made
    },
    { effects: { read: 'read' } },
  )
  const began = performance.now()
  await (await program.start('Read all of it.')).result()
  const ms = performance.now() - began
  const messages = (made?.messages ?? []).map((message) => JSON.stringify(message.toJSON()))
  await selvage.close()
  if (messages.length !== 2 * cycles + 2) throw new Error(`${cycles} cycles left ${messages.length} messages`)
  return {
    messageBytes: messages.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    messages: messages.length,
    ms,
  }
}
