/** Steps of a workflow function, on the engine that users get by default. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openSelvage } from 'selvage/core'
import type { StepSession, StepShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'

const FILE = 'selvage.db'

export async function steps(folder: string, { durability, bytes, once }: StepShape): Promise<StepSession> {
  const selvage = await openSelvage({ url: `sqlite:${join(folder, FILE)}`, durability })
  const payload = payloads(bytes)
  const options = once === true ? ({ effect: 'once' } as const) : {}
  const workflow = selvage.workflow('steps', async (ctx, { count, from }: { count: number; from: number }) => {
    const began = performance.now()
    for (let n = 0; n < count; n++) await ctx.step('step', () => payload(from + n), options)
    return performance.now() - began
  })
  return {
    async inOneRun(count) {
      return (await workflow.start({ count, from: 0 })).result()
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
  const database = new DatabaseSync(join(folder, FILE), { readOnly: true })
  try {
    const unfinished = Number(database.prepare('select count(*) as count from run where status <> 3').get()?.count)
    if (unfinished > 0) throw new Error(`${unfinished} runs have not completed`)
    return Number(database.prepare("select count(*) as count from journal where type = 'step ok'").get()?.count)
  } finally {
    database.close()
  }
}
