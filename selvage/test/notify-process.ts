/**
 * A worker that tells a file what happens: `notify-process.ts <folder> [probe hit]`. With a probe it kills itself where it
 * comes there for the n-th time.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { onProbe } from '@selvage/core'
import { openSelvage } from 'selvage/core'

const [folder = '.', probe, hits = '1'] = process.argv.slice(2)
// It ends with the process that spawned it.
process.stdin.on('end', () => process.exit()).resume()

let left = Number(hits)
onProbe((name) => {
  if (name === probe && --left === 0) process.kill(process.pid, 'SIGKILL')
})

const selvage = await openSelvage({
  url: `sqlite:${join(folder, 'selvage.db')}`,
  notify: [
    {
      name: 'file',
      events: ['run.started', 'question.opened', 'question.answered', 'run.completed'],
      deliver: ({ id, type, run, question }) =>
        appendFileSync(
          join(folder, 'told'),
          `${JSON.stringify({ id, type, runId: run.id, question: question?.id, pid: process.pid })}\n`,
        ),
    },
  ],
})
selvage.workflow('pay', async (ctx) => (await ctx.approval('pay')).approved)
await selvage.work()
