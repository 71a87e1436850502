/** The floor's commit, in a program that does something: between two of them a step is made and kept in memory. Only the commit is timed. */
import { openSelvage } from 'selvage/core'
import type { StepSession, StepShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'
import { steps as bareSteps } from '../bare-sqlite/steps.ts'

export async function steps(folder: string, shape: StepShape): Promise<StepSession> {
  const bare = await bareSteps(folder, shape)
  const selvage = await openSelvage({ url: 'sqlite::memory:' })
  const payload = payloads(shape.bytes)
  let times: number[] = []
  const workflow = selvage.workflow('steps', async (ctx, { count }: { count: number }) => {
    for (let n = 0; n < count; n++) {
      await ctx.step('step', () => payload(n))
      times.push(...(await bare.inOneRun(1)))
    }
  })
  return {
    async inOneRun(count) {
      times = []
      const run = await workflow.start({ count })
      await run.result()
      return times
    },
    async close() {
      await selvage.close()
      await bare.close()
    },
  }
}
