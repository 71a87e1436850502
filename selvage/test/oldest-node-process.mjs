/**
 * What an embedded user does, as plain JavaScript on the built package: node oldest-node-process.mjs <file>. It is killed by itself in
 * the middle, and prints what came of it where it is started again.
 */

import { ScriptedModel } from '@selvage/strands/testing'
import { Agent } from '@strands-agents/sdk'
import { durable, openSelvage } from 'selvage'

const [file] = process.argv.slice(2)
const selvage = await openSelvage({ url: `sqlite:${file}` })
await selvage.transaction((database) => database.exec('create table if not exists app_paid (id text)'))
const sent = []
selvage.outbox('mail', ({ payload }) => void sent.push(payload))
const child = selvage.workflow('child', (_ctx, n) => n * 2)
const order = selvage.workflow('order', async (ctx, { n }) => {
  const once = await ctx.step('once', () => n, { effect: 'once', reconcile: () => ({ done: false }) })
  const [a, b] = await Promise.all([ctx.step('a', () => 'a'.repeat(50_000)), ctx.child(child, n)])
  await ctx.transaction('pay', (database) => database.prepare('insert into app_paid values (?)').run(String(n)))
  await ctx.send('mail', 1)
  await ctx.send('mail', 2)
  await ctx.step('dies', () => {
    if (process.argv[3] === 'dies') process.kill(process.pid, 'SIGKILL')
  })
  await ctx.sleep(1)
  const word = await ctx.signal('word')
  const { approved } = await ctx.approval('publish')
  return [once, a.length, b, word, approved]
})
await selvage.work()
const run = await order.start({ n: 21 }, { runId: 'order', tags: { of: 'test' } })
await run.signal('word', 'go')
for (;;) {
  const [question] = (await selvage.approvals({ runId: run.id })).items
  if (question === undefined) continue
  await run.approve(question.id)
  break
}
const result = await run.result()
const agent = () =>
  new Agent({
    model: new ScriptedModel(['Done.']),
    printer: false,
    plugins: [durable({ runId: 'inline', selvage })],
  })
const said = [String(await agent().invoke('a'))]
const broken = selvage.workflow('broken', (ctx) =>
  ctx.step('no', () => Promise.reject(new Error('no')), { retry: { maxAttempts: 2, initial: 1 } }),
)
const failed = await broken.start(null, { runId: 'broken' })
await failed.result().catch(() => {})
await failed.retry()
await failed.result().catch(() => {})
const napping = await selvage.workflow('nap', (ctx) => ctx.sleep('60d')).start(null, { runId: 'nap' })
await napping.cancel('enough')
await napping.result().catch(() => {})
while (sent.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
const statuses = {}
for (const { id, status } of (await selvage.runs()).items) statuses[id] = status
const tagged = (await selvage.runs({ tag: { key: 'of', value: 'test' }, status: 'completed' })).items.map(
  ({ id }) => id,
)
console.log(
  JSON.stringify({
    node: process.version,
    result,
    said,
    sent,
    statuses,
    tagged,
    claims: (await run.status()).claims.length,
  }),
)
await selvage.close()
