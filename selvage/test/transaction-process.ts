/** A worker whose runs write rows in transactions: it can also be killed inside of the function (`effect.before`). */
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

// Ends when whoever spawned it has seen enough, or is gone.
const { url, killSwitch } = mortal(() => void selvage.close().then(() => process.exit()))
const selvage = await openSelvage({ url, leaseMs: 1_000 })
selvage.workflow('payer', async (ctx) => {
  for (const n of [1, 2, 3]) {
    await ctx.transaction(`pay ${n}`, (tx) => {
      tx.run('insert into app_paid values (?, ?)', tx.runId, n)
      killSwitch.pass('effect.before')
      tx.run('update app_purse set amount = amount - 1')
      tx.send('mail', n)
      return n
    })
    await ctx.step(`look ${n}`, () => n)
  }
  await Promise.all(
    [4, 5].map((n) =>
      ctx.transaction(`pay ${n}`, (tx) => void tx.run('insert into app_paid values (?, ?)', tx.runId, n)),
    ),
  )
})
await selvage.work()
