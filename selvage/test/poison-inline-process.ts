/**
 * Agents in one process of their author's, as a web server has them: one kills the process, the others take longer than that.
 * Says in `results.json` what became of each, once all are over.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { durable, openSelvage, SelvageError } from 'selvage'
import { mortal } from './mortal.ts'

const { folder, url } = mortal()

const selvage = await openSelvage({ url, work: false })
const act = (name: string, callback: () => Promise<string>) =>
  tool({ name, description: name, inputSchema: { type: 'object' }, callback })
const takeTime = act('act', () => new Promise((done) => setTimeout(done, 300, 'well')))
const die = act('act', () => new Promise(() => setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100)))

async function invoke(runId: string): Promise<string> {
  const agent = new Agent({
    model: scriptedModel([{ tools: [{ name: 'act' }] }, 'well']),
    tools: [runId === 'poison' ? die : takeTime],
    printer: false,
    plugins: [durable({ runId, selvage, effects: { act: 'idempotent' } })],
  })
  try {
    return (await agent.invoke('Act.')).toString()
  } catch (error) {
    return SelvageError.is(error) ? `${error.code}: ${SelvageError.is(error.cause) && error.cause.code}` : String(error)
  }
}

const runIds = ['slow-1', 'slow-2', 'slow-3', 'poison', 'slow-4', 'slow-5', 'slow-6']
const results = await Promise.all(runIds.map(async (runId) => [runId, await invoke(runId)]))
writeFileSync(join(folder, 'results.json'), JSON.stringify(Object.fromEntries(results)))
await selvage.close()
process.exit()
