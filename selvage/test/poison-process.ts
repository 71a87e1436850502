/** A worker with a workflow that kills it at once, and one that takes longer than that. */
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

const { url } = mortal()

const selvage = await openSelvage({ url: process.env.SELVAGE_TEST_URL ?? url })
selvage.workflow('poison', (ctx) => ctx.step('die', () => void process.kill(process.pid, 'SIGKILL')))
selvage.workflow('slow', (ctx) =>
  ctx.step('take time', () => new Promise<string>((done) => setTimeout(done, 300, 'well'))),
)
await selvage.work()
