/**
 * A refund that a person decides by a link, with the amount: the question is told to a webhook, which mails the link; the
 * page behind the link shows the question and takes the answer. Kill it and run it again: the link still answers.
 */
// #region docs
import { appendFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openSelvage, SelvageError, verifyWebhook, webhook } from 'selvage/core'
import { z } from 'zod'

const secret = 'of-this-example-and-no-other' // from a vault, in earnest
const server = createServer().listen(Number(process.env.PORT ?? 0), '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const selvage = await openSelvage({
  linkSecret: secret,
  notify: [
    webhook({
      name: 'mail',
      url: `${site}/hook`,
      secret,
      events: ['question.opened', 'question.reminder', 'question.escalated'],
    }),
    ({ type, at, run }) => console.log(new Date(at).toISOString(), type, run.id),
  ],
})

const refund = selvage.workflow(
  'refund',
  async (ctx, order: string) => {
    const answer = await ctx.approval('refund', {
      details: { order },
      assignee: 'ann@example.com',
      schema: z.object({ euros: z.number().positive().max(50) }), // what a yes must bring
      reminders: '4h',
      timeout: '2d',
      onTimeout: 'escalate',
      escalateTo: ['lead@example.com'],
    })
    if (!answer.approved) return `no refund for ${order}: ${answer.reason}`
    const { euros } = answer.value
    await ctx.step('refund', () => appendFileSync('refunds.jsonl', `${JSON.stringify({ order, euros })}\n`), {
      effect: 'once',
    })
    return `${euros} euros back for ${order}, said ${answer.by}`
  },
  { version: '1' },
)

server.on('request', async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', site)
  const token = searchParams.get('token') ?? ''
  try {
    if (pathname === '/hook') {
      const { question } = verifyWebhook({ secret, headers: request.headers, body: await textOf(request) })
      if (question?.status === 'open') {
        const link = await selvage.approvalLink(question.id, { action: 'any', url: `${site}/refund` })
        console.log(`mail to ${question.assignee}: ${link.url}`)
      }
      response.end()
    } else if (request.method === 'GET') {
      const { approval } = await selvage.peekLink(token) // mail scanners come here, too: nothing is used up
      response.end(JSON.stringify({ asks: approval.name, details: approval.reason, status: approval.status }))
    } else {
      const { id } = await selvage.answerLink(token, JSON.parse(await textOf(request)))
      response.end(JSON.stringify({ answered: id }))
    }
  } catch (error) {
    if (!SelvageError.is(error)) throw error
    response.writeHead(400).end(JSON.stringify({ code: error.code, message: error.message }))
  }
})

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const run = await refund.start('order 7', { runId: 'refund-7' })
console.log(await run.result())
await selvage.close()
server.close()
// #endregion
