/**
 * A worker whose runs write rows in transactions: `transaction-process.ts <folder> [probe hit [signal]]`. Where it comes to
 * the probe for the n-th time it sends itself the signal (SIGKILL). `author` is a probe, too: inside of the function.
 */
import { join } from 'node:path'
import { onProbe } from '@selvage/core'
import { openSelvage } from 'selvage/core'

const [folder = '.', probe, hits = '1', signal = 'SIGKILL'] = process.argv.slice(2)

let left = Number(hits)
function hit(name: string): void {
  if (name === probe && --left === 0) process.kill(process.pid, signal)
}
onProbe(hit)

const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, leaseMs: 1_000 })
// It ends with the process that spawned it, or when that has seen enough.
process.stdin.on('end', () => void selvage.close().then(() => process.exit())).resume()

selvage.workflow('payer', async (ctx) => {
  for (const n of [1, 2, 3]) {
    await ctx.transaction(`pay ${n}`, (tx) => {
      tx.run('insert into app_paid values (?, ?)', tx.runId, n)
      hit('author')
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
