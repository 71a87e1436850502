/**
 * node agent-recovery.ts <folder> <cycles> <make | take>: an agent as LangGraph's documentation builds one, a node that
 * asks the model and a node that runs its tools, with the SQLite checkpointer. `make` leaves the thread as a kill in the
 * tool of the last cycle leaves it; `take` is a cold process that goes on with it, to the first call of model or tool.
 */
const nodeStarted = performance.now()
const { join } = await import('node:path')
const { AIMessage, HumanMessage, isAIMessage, ToolMessage } = await import('@langchain/core/messages')
const { END, MessagesAnnotation, START, StateGraph } = await import('@langchain/langgraph')
const { SqliteSaver } = await import('@langchain/langgraph-checkpoint-sqlite')
const { default: Database } = await import('better-sqlite3')
const { payloads } = await import('../../src/payload.ts')
const { firstCall } = await import('../../src/first-call.ts')
const imported = performance.now()

const RESULT_BYTES = 200
const [folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const cycles = Number(count)
const called = firstCall({ nodeStarted, imported }, cycles)
const result = payloads(RESULT_BYTES + 2)
const database = new Database(join(folder, 'langgraph.db'))
database.pragma('journal_mode = wal')
database.pragma('synchronous = full')

const asks = (part: number): InstanceType<typeof AIMessage> =>
  new AIMessage({ content: '', tool_calls: [{ name: 'read', args: { part }, id: `read-${part}` }] })
const answers = (part: number): InstanceType<typeof ToolMessage> =>
  new ToolMessage({ content: result(part), tool_call_id: `read-${part}`, name: 'read' })

const graph = new StateGraph(MessagesAnnotation)
  .addNode('agent', async ({ messages }) => {
    if (mode === 'take') await called('model')
    return { messages: [asks(messages.length / 2 + 0.5)] }
  })
  .addNode('tools', async ({ messages }) => {
    const last = messages.at(-1)
    const part = last !== undefined && isAIMessage(last) ? Number(last.tool_calls?.[0]?.args.part) : 0
    if (mode === 'take') await called('tool', part)
    if (part === cycles) await standStill(part)
    return { messages: [answers(part)] }
  })
  .addEdge(START, 'agent')
  .addConditionalEdges('agent', ({ messages }) => ((messages.at(-1)?.content ?? '') === '' ? 'tools' : END))
  .addEdge('tools', 'agent')
  .compile({ checkpointer: new SqliteSaver(database) })
const thread = { configurable: { thread_id: 'reader' } }
const settings = { ...thread, durability: 'sync', recursionLimit: 1_000 } as const

/** Also what keeps the process alive while it stands still. */
process.on('disconnect', () => process.exit())
// The conversation until then in one piece: the graph keeps all of it in each checkpoint, gigabytes for thousands.
if (mode === 'make') {
  const before = Array.from({ length: cycles - 1 }, (_, n) => [asks(n + 1), answers(n + 1)])
  await graph.updateState(thread, { messages: [new HumanMessage('Read all of it.'), ...before.flat()] }, 'tools')
}
await graph.invoke(null, settings)

async function standStill(part: number): Promise<void> {
  process.send?.({ made: part })
  await new Promise(() => {})
}
