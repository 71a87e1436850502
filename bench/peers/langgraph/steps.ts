/**
 * node steps.ts <folder> <shape>: LangGraph with its SQLite checkpointer. A step is a node; `durability: 'sync'` has its
 * checkpoint written before the next one begins. The state holds the last value only: what a graph costs at its best.
 */
import { join } from 'node:path'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite'
import Database from 'better-sqlite3'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'
import { isSetTo } from '../../src/synchronous.ts'

const [folder = '', shape = '{}'] = process.argv.slice(2)
const { bytes, durability } = JSON.parse(shape) as StepShape
const payload = payloads(bytes)
const database = new Database(join(folder, 'langgraph.db'))
database.pragma('journal_mode = wal')
database.pragma(`synchronous = ${durability}`)
isSetTo(durability, database.pragma('synchronous', { simple: true }))
const State = Annotation.Root({ left: Annotation<number>, value: Annotation<string> })
const beganAt = new Map<string, number[]>()
const graph = new StateGraph(State)
  .addNode('step', ({ left }, config) => {
    beganAt.get(String(config.configurable?.thread_id))?.push(performance.now())
    return { left: left - 1, value: payload(left) }
  })
  .addEdge(START, 'step')
  .addConditionalEdges('step', ({ left }) => (left > 0 ? 'step' : END))
  .compile({ checkpointer: new SqliteSaver(database) })
let threads = 0

/** From the beginning of each step to that of the next one: its checkpoint lies between. */
async function run(count: number): Promise<number[]> {
  const id = `thread-${threads++}`
  const times: number[] = []
  beganAt.set(id, times)
  await graph.invoke(
    { left: count, value: '' },
    { configurable: { thread_id: id }, durability: 'sync', recursionLimit: count + 10 },
  )
  beganAt.delete(id)
  times.push(performance.now())
  if (times.length !== count + 1) throw new Error(`${count} steps were asked for, ${times.length - 1} were made`)
  return times.slice(1).map((time, index) => time - (times[index] ?? 0))
}

serveSteps({
  inOneRun: run,
  async atOnce(runs, count) {
    const began = performance.now()
    const times = await Promise.all(Array.from({ length: runs }, () => run(count)))
    return { ms: performance.now() - began, stepMs: times.flat() }
  },
  async count() {
    const sql =
      "select count(*) as count from checkpoints where json_extract(metadata, '$.source') = 'loop' and json_extract(metadata, '$.step') > 0"
    return (database.prepare(sql).get() as { count: number }).count
  },
  close: async () => void database.close(),
})
