import { type Engine, type Outcome, SelvageError } from '@selvage/core'
import type { Outside } from './outside.ts'
import type { Scenario } from './scenario.ts'

/** What somebody outside does for a run: starts it, sends its signals, answers its questions, until it has ended. */
export async function driveRun(engine: Engine, scenario: Scenario, runId: string, outside: Outside): Promise<Outcome> {
  await engine.start(runId, scenario.start)
  await sendSignals(engine, scenario, runId)
  for (;;) {
    const { status, entries, outcome } = await engine.describe(runId)
    const hasAsked = await answerOpen(engine, scenario, runId, outside)
    // What an ended run has left open lets it go on.
    if (outcome !== undefined && !hasAsked) return outcome
    if (outcome !== undefined) continue
    await engine.changed(runId, { status, entries })
  }
}

export async function sendSignals(engine: Engine, scenario: Scenario, runId: string): Promise<void> {
  for (const signal of scenario.signals ?? []) await unlessEnded(engine.signal(runId, signal))
}

/** Answers what the run asks now, if it asks anything; whoever else answers the same is not contradicted. */
export async function answerOpen(
  engine: Engine,
  scenario: Scenario,
  runId: string,
  outside: Outside,
): Promise<boolean> {
  const page = await engine.questions?.({ status: 'open', runId })
  for (const question of page?.items ?? []) {
    if (scenario.answer === undefined) throw new Error(`the scenario has no answer to "${question.name}"`)
    const { id } = question
    const payload = await scenario.answer(question, outside)
    await unlessEnded(engine.signal(runId, { id, name: id, payload, by: `process ${process.pid}` }))
  }
  return (page?.items ?? []).length > 0
}

async function unlessEnded(sent: Promise<unknown>): Promise<void> {
  try {
    await sent
  } catch (error) {
    if (!SelvageError.is(error, 'RUN_ENDED')) throw error
  }
}
