/** A worker that tells a file what happens. */
import { join } from 'node:path'
import { LineFile } from '@selvage/testing'
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

const { folder, url } = mortal()
const told = new LineFile(join(folder, 'told'))

const selvage = await openSelvage({
  url,
  notify: [
    {
      name: 'file',
      events: ['run.started', 'question.opened', 'question.answered', 'run.completed'],
      deliver: ({ id, type, run, question }) =>
        told.append({ id, type, runId: run.id, question: question?.id, pid: process.pid }),
    },
  ],
})
selvage.workflow('pay', async (ctx) => (await ctx.approval('pay')).approved)
await selvage.work()
