import { acted, BankProcess } from '/work/wt/yardstick/testing/dist/bank/index.js'
import { Site } from '/work/wt/yardstick/testing/dist/crash/site.js'
import { returns } from '/work/wt/yardstick/testing/dist/refunds/returns.js'

const module = 'file:///work/wt/yardstick/engines/embedded/test/under-test.ts'
const { open } = await import(module)
for (const way of ['idempotent', 'once', 'asked'])
  for (const how of ['drop', 'drop-before', 'refuse']) {
    const bank = await BankProcess.open({ honoursKeys: way === 'idempotent' })
    const order = way + how
    const site = new Site({ open, module }, returns({ order, way }), { runId: order, bank: bank.url })
    await bank.expect({ deed: 'refund', order, how, retryAfter: 1 })
    const p = site.spawn('drive')
    await p.exited
    let s = (await site.look()).runs[0]
    console.log(
      way,
      how,
      JSON.stringify(s.outcome).slice(0, 300),
      acted(bank.lines())
        .map((l) => l.deed)
        .join(),
    )
    if (s.status === 'failed') {
      await site.with((e) => e.retry(order))
      const q = site.spawn('drive')
      await q.exited
      s = (await site.look()).runs[0]
      console.log(
        '   after retry',
        JSON.stringify(s.outcome).slice(0, 200),
        acted(bank.lines())
          .map((l) => l.deed)
          .join(),
      )
    }
    await site.close()
    await bank.close()
  }
