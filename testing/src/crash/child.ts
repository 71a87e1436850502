/** The main module of a child process: see Task. It ends with the process that spawned it. */

import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { type Host, onProbe, SelvageError } from '@selvage/core'
import { LineFile } from '../line-file.ts'
import { driveRun } from './drive-run.ts'
import { KillSwitch } from './kill-switch.ts'
import { Outside } from './outside.ts'
import type { ScenarioModule } from './scenario.ts'
import type { News, Task } from './task.ts'
import type { EngineModule } from './under-test.ts'

/** Between two looks at what is still to be delivered: nobody tells. */
const DELIVERY_MS = 5

const task = JSON.parse(process.argv[2] ?? '') as Task
const say = (news: News): void => void writeSync(1, `${JSON.stringify(news)}\n`)

process.stdin.on('end', () => process.exit()).resume()

const [{ open }, module] = (await Promise.all([import(task.engine), import(task.scenario)])) as [
  EngineModule,
  ScenarioModule,
]
const scenario = { ...module.scenario, start: task.start }
const killSwitch = new KillSwitch(task.kill)
onProbe((name) => killSwitch.pass(name))
const outside = new Outside(new LineFile(task.ledger), killSwitch, {
  ...(task.bank !== undefined && { bank: task.bank }),
  tell: (told) => say({ told }),
})
const { engine, host } = await open(task.folder, task.options)

if (task.role === 'answer') await answer()
else {
  if (task.role === 'drive') await engine.start(task.runId, scenario.start)
  const handlers = scenario.outbox?.(outside)
  await engine.serve(
    reporting(host(scenario.programs(outside))),
    handlers === undefined ? {} : { outbox: () => handlers },
  )
  say({ ready: true })
  if (task.role === 'drive') {
    const ended = await driveRun(engine, scenario, task.runId, outside)
    while (await hasMessages()) await new Promise((resolve) => setTimeout(resolve, DELIVERY_MS))
    await engine.close()
    say({ ended, hits: killSwitch.hits })
    process.exit()
  }
}

async function hasMessages(): Promise<boolean> {
  const page = await engine.outbox?.list({ runId: task.runId })
  return page?.items.some(({ state }) => state !== 'delivered') ?? false
}

async function answer(): Promise<void> {
  const { question: id = '', runId } = task
  say({ ready: true })
  await once(process.stdin, 'data')
  const receipt = await engine.signal(runId, {
    id,
    name: id,
    payload: { approved: true, value: process.pid },
    by: `process ${process.pid}`,
  })
  if (receipt.accepted) say({ answered: { accepted: true } })
  else {
    const { by, at, payload } = receipt.first
    say({ answered: { accepted: false, payload, ...(by !== undefined && { by }), ...(at !== undefined && { at }) } })
  }
  await engine.close()
  process.exit()
}

/** Says when an append is refused: the engine keeps it to itself. */
function reporting(inner: Host): Host {
  return {
    advance(request, control) {
      const { journal } = control
      const append = journal.append?.bind(journal)
      if (append === undefined) return inner.advance(request, control)
      const told: typeof append = async (at, entries) => {
        try {
          await append(at, entries)
        } catch (error) {
          say({ refused: SelvageError.is(error) ? error.code : String(error) })
          throw error
        }
      }
      return inner.advance(request, { ...control, journal: { load: (from) => journal.load(from), append: told } })
    },
    offer: (runId, signal) => inner.offer(runId, signal),
    registered: () => inner.registered(),
    evict: (runId) => inner.evict(runId),
    holdsWork: (runId) => inner.holdsWork(runId),
    subscribe: (runId, listener) => inner.subscribe(runId, listener),
  }
}
