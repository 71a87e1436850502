/**
 * Tools of MCP servers. An agent connects to its servers and asks them for their tools before anything else, so a server
 * that is down would block a run that no longer needs it. What the servers told is recorded; a process that goes on with
 * the run takes it from the journal, and connects to a server when a tool of it is called.
 *
 *   mcp:<agent>#<n>   state: what server n of that agent told
 *
 * A session, which lives for long, asks anew in each process, and takes what is recorded where a server does not answer.
 * Invocations of `durable()` begin once the SDK has asked the servers: there nothing can be done.
 */
import type { Durable, Json } from '@selvage/core'
import type { Agent, McpClient } from '@strands-agents/sdk'
import { mcpClientsOf } from './seams.ts'

type List = McpClient['listTools']
type Page = Awaited<ReturnType<McpClient['client']['listTools']>>

export interface McpOptions {
  /** Servers are asked even where what they told before is recorded. */
  readonly asksAgain?: boolean
}

/** Called before the agent's first invocation in this process. */
export function recordMcp(agent: Agent, durable: Durable, { asksAgain = false }: McpOptions = {}): void {
  for (const [index, client] of mcpClientsOf(agent).entries()) {
    const key = `mcp:${agent.name}#${index}`
    const entry = durable.history.findLast((entry) => entry.type === 'state' && entry.key === key)
    const told = entry?.type === 'state' ? (entry.patch.pages as unknown as Page[]) : undefined
    const list: List = client.listTools.bind(client)
    // The first time only: servers may tell later that their tools have changed.
    client.listTools = async (options) => {
      Reflect.deleteProperty(client, 'listTools')
      if (told !== undefined && !asksAgain) return await listedFrom(told, client, () => list(options))
      const pages: Page[] = []
      try {
        const tools = await watched(pages, client, () => list(options))
        if (pages.length > 0 && JSON.stringify(pages) !== JSON.stringify(told))
          void durable.state(key, { pages: JSON.parse(JSON.stringify(pages)) as Json })
        return tools
      } catch (error) {
        if (told === undefined) throw error
        return await listedFrom(told, client, () => list(options))
      }
    }
  }
}

/** The SDK makes its tools of what was told before; nobody is connected to. */
async function listedFrom<T>(told: readonly Page[], client: McpClient, list: () => Promise<T>): Promise<T> {
  const { client: protocol } = client
  const pages = [...told]
  client.connect = async () => {}
  protocol.listTools = async () => pages.shift() ?? { tools: [] }
  try {
    return await list()
  } finally {
    Reflect.deleteProperty(client, 'connect')
    Reflect.deleteProperty(protocol, 'listTools')
  }
}

async function watched<T>(pages: Page[], { client: protocol }: McpClient, list: () => Promise<T>): Promise<T> {
  const ask = protocol.listTools.bind(protocol)
  protocol.listTools = async (...args) => {
    const page = await ask(...args)
    pages.push(page)
    return page
  }
  try {
    return await list()
  } finally {
    Reflect.deleteProperty(protocol, 'listTools')
  }
}
