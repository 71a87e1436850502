/**
 * An order: the stock is taken in the commit that records it, the card is charged once, mails leave after the commit. Kill
 * it anywhere and run it again. `payments.jsonl` is the bank, `mails.jsonl` the mail server: neither honours keys.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSelvage } from 'selvage/core'

const payments = 'payments.jsonl'
const paid = (key: string): boolean => existsSync(payments) && readFileSync(payments, 'utf8').includes(key)

const selvage = await openSelvage()
await selvage.transaction((db) => {
  db.exec(
    'create table if not exists app_stock (sku text primary key, left_over integer); create table if not exists app_orders (id text, sku text)',
  )
  db.run("insert into app_stock values ('lamp', 10) on conflict (sku) do nothing")
})

selvage.outbox<{ to: string; text: string }>('mail', async ({ payload, idempotencyKey }) => {
  appendFileSync('mails.jsonl', `${JSON.stringify({ key: idempotencyKey, ...payload })}\n`)
})

const order = selvage.workflow('order', async (ctx, { sku, to }: { sku: string; to: string }) => {
  await ctx.transaction('reserve', (tx) => {
    tx.run('update app_stock set left_over = left_over - 1 where sku = ?', sku)
    tx.run('insert into app_orders values (?, ?)', tx.runId, sku)
    tx.send('mail', { to, text: `We keep a ${sku} for you.` })
  })
  await ctx.step(
    'charge',
    async (at) => {
      appendFileSync(payments, `${JSON.stringify({ key: at.idempotencyKey, euros: 20 })}\n`)
      console.log('charged, and not recorded yet')
      await sleep(500)
    },
    {
      effect: 'once',
      input: { euros: 20 },
      reconcile: ({ idempotencyKey }) => (paid(idempotencyKey) ? { done: true, result: undefined } : { done: false }),
    },
  )
  await ctx.send('mail', { to, text: 'Paid, thank you.' })
})

const run = await order.start({ sku: 'lamp', to: 'ann@example.com' }, { runId: 'order-1' })
await run.result()
while ((await selvage.messages({ runId: run.id })).items.some(({ state }) => state !== 'delivered')) await sleep(20)

const left = await selvage.transaction((db) =>
  db.get<{ left_over: number }>("select * from app_stock where sku = 'lamp'"),
)
console.log(`${left?.left_over} lamps left`)
for (const { step, effect, state } of (await selvage.effects()).items) console.log(step, effect, state)
await selvage.close()
