/** Steps of a workflow function, on the engine that users get by default. */
import { DatabaseSync } from 'node:sqlite'
import { openSelvage, type Selvage } from 'selvage/core'
import type { StepSession, StepShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'
import { Timed } from '../../timed.ts'
import { databaseFile, urlOf } from './database.ts'

export async function steps(folder: string, shape: StepShape): Promise<StepSession> {
  return stepsOn(await openSelvage({ url: urlOf(folder), durability: shape.durability }), shape)
}

/** On whichever engine was chosen. */
export function stepsOn(selvage: Selvage, { bytes, once }: StepShape): StepSession {
  const payload = payloads(bytes)
  const options = once === true ? ({ effect: 'once' } as const) : {}
  const timed = new Timed()
  const workflow = selvage.workflow('steps', async (ctx, { count, from }: { count: number; from: number }) => {
    const run = timed.run()
    for (let n = 0; n < count; n++) await run.step(() => ctx.step('step', () => payload(from + n), options))
    run.end()
  })
  const watch = async (counts: readonly number[]): ReturnType<Timed['watch']> => {
    const results: Promise<unknown>[] = []
    const times = await timed.watch(counts, async (from) => {
      const run = await workflow.start({ count: counts[from] ?? 0, from })
      results.push(run.result())
    })
    await Promise.all(results)
    return times
  }
  return {
    inOneRun: async (count) => (await watch([count])).stepMs,
    atOnce: (runs, count) => watch(new Array<number>(runs).fill(count)),
    close: () => selvage.close(),
  }
}

/** In the words of the schema: steps that succeeded, and no run that has not completed. */
export function countSteps(folder: string): number {
  const database = new DatabaseSync(databaseFile(folder), { readOnly: true })
  try {
    const unfinished = Number(database.prepare('select count(*) as count from run where status <> 3').get()?.count)
    if (unfinished > 0) throw new Error(`${unfinished} runs have not completed`)
    return Number(database.prepare("select count(*) as count from journal where type = 'step ok'").get()?.count)
  } finally {
    database.close()
  }
}
