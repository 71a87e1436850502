import { type Engine, type Outcome, SelvageError } from '@selvage/core'
import type { Outside } from './outside.ts'
import type { Scenario } from './scenario.ts'

/** What somebody outside does for a run: starts it, sends its signals, answers its questions, until it has ended. */
export async function driveRun(engine: Engine, scenario: Scenario, runId: string, outside: Outside): Promise<Outcome> {
  await engine.start(runId, scenario.start)
  await sendSignals(engine, scenario, runId)
  for (;;) {
    const { status, entries, outcome } = await engine.describe(runId)
    if (outcome !== undefined) return outcome
    await answerOpen(engine, scenario, runId, outside)
    await engine.changed(runId, { status, entries })
  }
}

export async function sendSignals(engine: Engine, scenario: Scenario, runId: string): Promise<void> {
  for (const signal of scenario.signals ?? []) await unlessEnded(engine.signal(runId, signal))
}

/** Answers what the run asks now; whoever else answers the same is not contradicted. */
export async function answerOpen(engine: Engine, scenario: Scenario, runId: string, outside: Outside): Promise<void> {
  const page = await engine.questions?.({ status: 'open', runId })
  for (const question of page?.items ?? []) {
    if (scenario.answer === undefined) throw new Error(`the scenario has no answer to "${question.name}"`)
    const { id } = question
    const payload = await scenario.answer(question, outside)
    await unlessEnded(engine.signal(runId, { id, name: id, payload, by: `process ${process.pid}` }))
  }
}

async function unlessEnded(sent: Promise<unknown>): Promise<void> {
  try {
    await sent
  } catch (error) {
    if (!SelvageError.is(error, 'RUN_ENDED')) throw error
  }
}
