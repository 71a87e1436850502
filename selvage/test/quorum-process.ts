/** A worker on runs that two of three people decide, and that then act once. */
import { join } from 'node:path'
import { LineFile } from '@selvage/testing'
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

const { folder, url } = mortal()
const paid = new LineFile<string>(join(folder, 'paid'))

const selvage = await openSelvage({ url })
selvage.workflow('pay', async (ctx) => {
  const answer = await ctx.approval('pay', { quorum: 2, of: ['ann', 'bob', 'cy'] })
  await ctx.step('paid', () => paid.append(`${answer.approved} ${answer.by}`))
  return answer.approved
})
await selvage.work()
