/**
 * Tools of MCP servers. An agent connects to its servers and asks them for their tools before anything else, so a server
 * that is down would block a run that no longer needs it. What the servers told is recorded; a process that goes on with
 * the run takes it from the journal, and connects to a server when a tool of it is called.
 *
 *   mcp:<agent>#<n>           state: what server n of that agent told
 *   mcp:<agent>#<n>@<place>   the same of an agent inside of the run (places.ts): its name need not be its own
 *
 * Runs of before wrote the first for both. An agent inside of such a run takes that only where no other can have written
 * it, and asks its server else.
 *
 * One client may be that of several agents. Each asks through a view of it of its own, so that each is told what it has
 * recorded itself.
 *
 * A session, which lives for long, asks anew in each process, and takes what is recorded where a server does not answer.
 * Invocations of `durable()` begin once the SDK has asked the servers: there nothing can be done.
 */
import type { Durable, Entry, Json } from '@selvage/core'
import type { Agent, McpClient } from '@strands-agents/sdk'
import { listMcpToolsBy } from '../seams/tools.ts'
import { placeOf } from '../turns/places.ts'

type Page = Awaited<ReturnType<McpClient['client']['listTools']>>

export interface McpOptions {
  /** Servers are asked even where what they told before is recorded. */
  readonly asksAgain?: boolean
}

/** Called before the agent's first invocation in this process; for agents inside of a run, before that of any of them. */
export function recordMcp(agent: Agent, durable: Durable, { asksAgain = false }: McpOptions = {}): void {
  listMcpToolsBy(agent, (client, index, list) => {
    const told = recordOf(agent, index, durable, asksAgain)
    return async (options) =>
      await inTurn(client, async () => {
        const known = told.find()
        if (known !== undefined && !asksAgain) return await listedFrom(known, client, () => list(options))
        const pages: Page[] = []
        try {
          const tools = await watched(pages, client, () => list(options))
          if (pages.length > 0 && JSON.stringify(pages) !== JSON.stringify(known))
            void durable.state(told.key, { pages: JSON.parse(JSON.stringify(pages)) as Json })
          return tools
        } catch (error) {
          if (known === undefined) throw error
          return await listedFrom(known, client, () => list(options))
        }
      })
  })
}

const listings = new WeakMap<McpClient, Promise<unknown>>()

/** Agents that have one client may ask at once: each is told what it has recorded, one after the other. */
async function inTurn<T>(client: McpClient, list: () => Promise<T>): Promise<T> {
  const before = listings.get(client) ?? Promise.resolve()
  const listing = before.then(list)
  const over = listing.catch(() => {})
  listings.set(client, over)
  return await listing
}

/** Of each run: how many agents would have written a key of before. */
const claims = new WeakMap<Durable, Map<string, number>>()

/** What is recorded of a server. To be looked for when it is needed: until then other agents are found. */
function recordOf(
  agent: Agent,
  index: number,
  durable: Durable,
  asksAgain: boolean,
): { readonly key: string; find(): readonly Page[] | undefined } {
  const old = `mcp:${agent.name}#${index}`
  const claimed = claims.get(durable) ?? new Map<string, number>()
  claims.set(durable, claimed.set(old, (claimed.get(old) ?? 0) + 1))
  const place = placeOf(agent)
  const isOf = (key: string) => (entry: Entry) => entry.type === 'state' && entry.key === key
  const { history } = durable
  if (place === undefined) {
    // Asked before those inside of it are, so the first is its own; a session, which asks again, takes the newest.
    const find = () => pagesOf(asksAgain ? history.findLast(isOf(old)) : history.find(isOf(old)))
    return { key: old, find }
  }
  const key = `${old}@${place}`
  const findOld = () => (claimed.get(old) === 1 ? history.findLast(isOf(old)) : undefined)
  return { key, find: () => pagesOf(history.findLast(isOf(key)) ?? findOld()) }
}

function pagesOf(entry: Entry | undefined): readonly Page[] | undefined {
  return entry?.type === 'state' ? (entry.patch.pages as unknown as Page[]) : undefined
}

/** The SDK makes its tools of what was told before; nobody is connected to. */
async function listedFrom<T>(told: readonly Page[], client: McpClient, list: () => Promise<T>): Promise<T> {
  const { client: protocol, connect } = client
  const pages = [...told]
  client.connect = async () => {}
  protocol.listTools = async () => pages.shift() ?? { tools: [] }
  try {
    const listing = list()
    // It has begun with that. Who calls a tool meanwhile connects.
    client.connect = connect
    return await listing
  } finally {
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
