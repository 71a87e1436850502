/** The seams of tools: those that are agents, those of MCP servers, the one that asks for structured output, the one that stops. */
import { AfterToolsEvent, Agent, type LocalAgent, type McpClient } from '@strands-agents/sdk'
import { inside } from './inside.ts'

/** AgentAsTool is not exported: known by its agent and by whether it keeps that agent's context. */
export function agentOfTool(tool: object | undefined): { agent: Agent; keepsContext: boolean } | undefined {
  const { agent, _preserveContext } = (tool ?? {}) as { agent?: unknown; _preserveContext?: unknown }
  if (!(agent instanceof Agent) || typeof _preserveContext !== 'boolean') return undefined
  return { agent, keepsContext: _preserveContext }
}

/** The MCP servers that an agent was given. Not readable in public. */
export function mcpClientsOf(agent: Agent): readonly McpClient[] {
  return inside(agent)._mcpClients ?? []
}

/**
 * From now on an agent asks its MCP servers for their tools in this way, when it is initialised. `list`: as the client itself
 * does. Other agents that have the client, and the client when its server says that its tools have changed, are left alone.
 */
export function listMcpToolsBy(
  agent: Agent,
  listTools: (client: McpClient, index: number, list: McpClient['listTools']) => McpClient['listTools'],
): void {
  const clients = mcpClientsOf(agent)
  if (clients.length === 0) return
  for (const client of clients) connectInTurn(client)
  inside(agent)._mcpClients = clients.map((client, index) => {
    const own = listTools(client, index, client.listTools.bind(client))
    return new Proxy(client, {
      get: (target, name, receiver) => (name === 'listTools' ? own : Reflect.get(target, name, receiver)),
    })
  })
}

const inTurn = new WeakSet<McpClient>()

/** Two calls that come before there is a connection would both make one, and the second fail. */
function connectInTurn(client: McpClient): void {
  if (inTurn.has(client)) return
  inTurn.add(client)
  const connect = client.connect.bind(client)
  let last: Promise<unknown> = Promise.resolve()
  client.connect = async (reconnect) => {
    const own = last.then(() => connect(reconnect))
    last = own.catch(() => {})
    await own
  }
}

const STRUCTURED_OUTPUT_TOOL = 'strands_structured_output'

/** The tool by which the loop asks for structured output; it is there only in an invocation that wants some. */
export function structuredOutputTool(
  agent: LocalAgent,
): { readonly name: string; fault(input: unknown): unknown } | undefined {
  const tool = agent.toolRegistry.get(STRUCTURED_OUTPUT_TOOL) as
    | { _schema?: { parse(input: unknown): unknown } }
    | undefined
  if (tool === undefined) return undefined
  return {
    name: STRUCTURED_OUTPUT_TOOL,
    fault: (input) => {
      try {
        tool._schema?.parse(input)
        return undefined
      } catch (error) {
        return error
      }
    },
  }
}

/** What the vended `stop` writes to the invocationState. */
export const STOP_MARK = '__strandsStopRequested'

const stopping = new WeakSet<LocalAgent>()

/**
 * The first body of `stop` gives its agent a hook, which ends the turn behind the tools of the cycle if the mark is there,
 * and takes it away. An agent whose body of `stop` is recorded needs the like of it; beside the SDK's own it finds nothing.
 */
export function endAtStop(agent: LocalAgent): void {
  if (stopping.has(agent)) return
  stopping.add(agent)
  agent.addHook(AfterToolsEvent, (event) => {
    const mark = event.invocationState[STOP_MARK] as { readonly message: string } | null | undefined
    if (mark === undefined || mark === null) return
    delete event.invocationState[STOP_MARK]
    event.endTurn = mark.message
  })
}
