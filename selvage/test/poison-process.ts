/** A worker with a workflow and a message that kill it, and a workflow that takes longer than that. */
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

const { url } = mortal()

const selvage = await openSelvage({ url: process.env.SELVAGE_TEST_URL ?? url })
selvage.workflow('poison', (ctx) => ctx.step('die', () => void process.kill(process.pid, 'SIGKILL')))
const taking = (ms: number) => (): Promise<string> => new Promise((done) => setTimeout(done, ms, 'well'))
selvage.workflow('slow', (ctx) => ctx.step('take time', taking(300)))
// Longer than a delivery takes to begin on a machine that has much else to do.
selvage.workflow('slower', (ctx) => ctx.step('take time', taking(4_000)))
const die = (): void => void process.kill(process.pid, 'SIGKILL')
// Not before it has taken what runs there are.
const dieSoon = (): Promise<never> => new Promise(() => setTimeout(die, 150))
selvage.outbox('deadly', dieSoon, { retry: { maxAttempts: 10 } })
selvage.workflow('sender', (ctx) => ctx.send('deadly'))
await selvage.work()
