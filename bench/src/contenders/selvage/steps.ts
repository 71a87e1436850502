/** Steps of a workflow function, on the engine that users get by default. */
import { DatabaseSync } from 'node:sqlite'
import { openSelvage } from 'selvage/core'
import type { StepSession, StepShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'
import { databaseFile, urlOf } from './database.ts'

export async function steps(folder: string, { durability, bytes, once }: StepShape): Promise<StepSession> {
  const selvage = await openSelvage({ url: urlOf(folder), durability })
  const payload = payloads(bytes)
  const options = once === true ? ({ effect: 'once' } as const) : {}
  const workflow = selvage.workflow('steps', async (ctx, { count, from }: { count: number; from: number }) => {
    for (let n = 0; n < count; n++) await ctx.step('step', () => payload(from + n), options)
  })
  // Not in its result: that is recorded.
  let times: number[] = []
  const timed = selvage.workflow('timed steps', async (ctx, count: number) => {
    times = new Array<number>(count)
    for (let n = 0; n < count; n++) {
      const began = performance.now()
      await ctx.step('step', () => payload(n), options)
      times[n] = performance.now() - began
    }
  })
  return {
    async inOneRun(count) {
      await (await timed.start(count)).result()
      return times
    },
    async atOnce(runs, count) {
      const began = performance.now()
      const started = await Promise.all(Array.from({ length: runs }, (_, from) => workflow.start({ count, from })))
      await Promise.all(started.map((run) => run.result()))
      return performance.now() - began
    },
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
