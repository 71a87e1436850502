/**
 * A session with an agent: node chat-process.js <folder> <messages> <make | take | plain>. `make` brings it to so many
 * messages and closes it; `take` is a cold process that opens it, sends one more, and tells when it had come how far;
 * `plain` is one that invokes the same agent without us, with as many messages that it has in memory already.
 */
import type { Chat, Continued } from '../../contender.ts'
import { published } from '../../published.ts'

const TEXT_BYTES = 200
const nodeStarted = performance.now()
// All that our packages take from the SDK, so that what they add to it is told apart.
const { Message, TextBlock } = await import('@strands-agents/sdk')
await import('@strands-agents/sdk/multiagent')
await import('@strands-agents/sdk/vended-interventions/steering')
await import('@strands-agents/sdk/vended-tools/bash')
const sdkImported = performance.now()
const { openSelvage } = await published<typeof import('selvage')>('selvage')
const { sqliteStore } = await published<typeof import('@selvage/store-sqlite')>('@selvage/store-sqlite')
const { onProbe } = await published<typeof import('@selvage/core')>('@selvage/core')
const imported = performance.now()
const { chatAgent } = await import('./chat-agent.ts')
const { databaseFile } = await import('./database.ts')
const { messageBytes } = await import('../../cycles/message-bytes.ts')
const { payloads } = await import('../../payload.ts')

const [folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const messages = Number(count)
const text = payloads(TEXT_BYTES + 2)
const report = await { make, take, plain }[mode as 'make' | 'take' | 'plain']()
process.send?.(report)

async function make(): Promise<Chat> {
  const store = await sqliteStore({ path: databaseFile(folder), durability: 'normal' })
  const selvage = await openSelvage({ store })
  let made: ReturnType<typeof chatAgent> | undefined
  const chat = selvage.agent('chat', () => {
    made = chatAgent(text)
    return made
  })
  const session = chat.session('chat')
  for (let n = 0; n < messages; n += 2) await session.send(text(n))
  const all = made?.messages ?? []
  const { whole, untracked } = messageBytes(all)
  await selvage.close()
  return { messages: all.length, messageBytes: whole, untrackedBytes: untracked }
}

async function take(): Promise<Continued> {
  const opening = performance.now()
  const times = { sent: 0, claimed: 0, loaded: 0, made: 0, asked: 0 }
  const first = (name: 'sent' | 'claimed' | 'made' | 'asked'): void => {
    times[name] ||= performance.now()
  }
  const store = await sqliteStore({ path: databaseFile(folder), durability: 'full' })
  const watched = {
    ...store,
    load: async (...args: Parameters<typeof store.load>) => {
      const entries = await store.load(...args)
      if (times.made === 0) times.loaded = performance.now()
      return entries
    },
  }
  onProbe((name) => {
    if (name === 'engine.after-signal') first('sent')
    if (name === 'engine.after-claim') first('claimed')
  })
  const selvage = await openSelvage({ store: watched })
  let seen = 0
  let calls = 0
  const chat = selvage.agent('chat', () => {
    first('made')
    return chatAgent((shown) => {
      first('asked')
      seen = shown
      calls++
      return text(shown)
    })
  })
  const opened = performance.now()
  const reply = await chat.session('chat').send(text(messages))
  await selvage.close()
  if (reply.text !== text(seen)) throw new Error('the reply is not what the model has answered')
  // What is of the bench between import and open is nobody's time.
  const own = opening - imported
  return { nodeStarted, sdkImported: sdkImported + own, imported: opening, opened, ...times, seen, calls }
}

/** Milliseconds for the making of the agent, and from its invocation to the model. */
async function plain(): Promise<number> {
  let asked = 0
  const begun = performance.now()
  const agent = chatAgent((shown) => {
    asked = performance.now()
    return text(shown)
  })
  const made = performance.now() - begun
  for (let n = 0; n < messages; n++) {
    agent.messages.push(new Message({ role: n % 2 === 0 ? 'user' : 'assistant', content: [new TextBlock(text(n))] }))
  }
  const invoked = performance.now()
  await agent.invoke(text(messages))
  return made + asked - invoked
}
