import { fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSelvage, type Run, type Selvage, type SelvageError } from '../core.ts'

const SECRET = 'the first secret of this test'
const DAY = 86_400_000

let selvage: Selvage
const clock = fakeClock()

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:', clock, linkSecret: SECRET })
})

afterEach(async () => {
  await selvage.close()
})

async function asked(run: Run<unknown>): Promise<string> {
  for await (const event of run.events()) if (event.type === 'questionOpened') return event.question.id
  throw new Error(`Run ${run.id} ended without asking`)
}

type Asking = Parameters<Parameters<Parameters<Selvage['workflow']>[1]>[0]['approval']>[1]

async function paying(options: Asking = {}): Promise<{ run: Run<unknown>; id: string }> {
  const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay', options))
  const run = await pay.start()
  return { run, id: await asked(run) }
}

describe('a link', () => {
  test('answers once, by the one whom it was made for; the journal has its hash only', async () => {
    const { run, id } = await paying({ assignee: 'ann', tool: 'charge', input: { amount: 5 } })
    const { token, url, expiresAt } = await selvage.approvalLink(id, {
      action: 'approve',
      expiresIn: '2d',
      url: 'https://example.com/approve?lang=en',
    })
    expect(url).toBe(`https://example.com/approve?lang=en&token=${token}`)
    expect(expiresAt).toBe(clock.now() + 2 * DAY)
    for (let scan = 0; scan < 3; scan++) {
      expect(await selvage.peekLink(token)).toMatchObject({
        id,
        action: 'approve',
        assignee: 'ann',
        approval: { status: 'open', input: { amount: 5 } },
      })
    }
    expect(await selvage.answerLink(token)).toMatchObject({ id, status: 'answered' })
    expect(await run.result()).toMatchObject({ approved: true, by: 'ann' })
    await expect(selvage.answerLink(token)).rejects.toMatchObject({
      code: 'LINK_USED',
      details: { id, by: 'ann', at: expect.any(Number), value: { approved: true } },
    })
    expect(await selvage.peekLink(token)).toMatchObject({ approval: { status: 'answered' } })
    const journal = JSON.stringify(await run.journal())
    expect(journal).toMatch(/"via":"link:[\w-]{43}"/)
    for (const part of token.split('.')) if (part !== 'link1') expect(journal).not.toContain(part)
  })

  test('of many clicks, and of two links, one counts', async () => {
    const { run, id } = await paying({ assignee: 'ann' })
    const yes = await selvage.approvalLink(id, { action: 'approve' })
    const no = await selvage.approvalLink(id, { action: 'reject', assignee: 'bob' })
    const clicks = [...Array<string>(10).fill(yes.token), ...Array<string>(10).fill(no.token)]
    const told = await Promise.all(
      clicks.map((token) =>
        selvage.answerLink(token).then(
          () => 'ok',
          (error: SelvageError) => error.code,
        ),
      ),
    )
    expect(told.filter((one) => one === 'ok')).toHaveLength(1)
    expect(told.filter((one) => one === 'LINK_USED')).toHaveLength(9)
    expect(told.filter((one) => one === 'ALREADY_ANSWERED')).toHaveLength(10)
    await run.result()
    expect((await run.journal()).filter((entry) => entry.type === 'signal')).toHaveLength(1)
  })

  test('is refused when it was tampered with, too late, or signed by somebody else', async () => {
    const { id } = await paying()
    const { token } = await selvage.approvalLink(id, { action: 'reject', expiresIn: '1h' })
    const [mark, body = '', signature] = token.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...claims, action: 'approve' })).toString('base64url')
    const wrong = [
      `${mark}.${forged}.${signature}`,
      `${mark}.${body}.`,
      `${mark}.${body}`,
      `${token}.x`,
      '',
      'x',
      `${token}A`,
    ]
    for (const one of wrong) await expect(selvage.answerLink(one)).rejects.toMatchObject({ code: 'LINK_INVALID' })
    await clock.advance(3_600_000)
    await expect(selvage.peekLink(token)).rejects.toMatchObject({ code: 'LINK_EXPIRED', details: { id } })
    await expect(selvage.answerLink(token)).rejects.toMatchObject({ code: 'LINK_EXPIRED' })
    expect((await selvage.approval(id)).status).toBe('open')
  })

  test('says what it may, and no more', async () => {
    const { run, id } = await paying({ schema: { type: 'integer' } })
    const reject = await selvage.approvalLink(id, { action: 'reject' })
    await expect(selvage.answerLink(reject.token, { approved: true, value: 1 })).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
    const any = await selvage.approvalLink(id, { action: 'any' })
    await expect(selvage.answerLink(any.token)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(selvage.answerLink(any.token, { approved: true, value: 'x' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
    await selvage.answerLink(any.token, { approved: true, value: 3 })
    expect(await run.result()).toMatchObject({ approved: true, value: 3 })
    await expect(selvage.approvalLink(id, { action: 'any' })).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
  })

  test('of somebody who has given the question away answers it no more', async () => {
    const { run, id } = await paying({ assignee: 'ann' })
    const old = await selvage.approvalLink(id, { action: 'approve' })
    await run.delegate(id, { to: 'bob', by: 'ann' })
    await expect(selvage.answerLink(old.token)).rejects.toMatchObject({ code: 'NOT_ASKED' })
    await selvage.answerLink((await selvage.approvalLink(id, { action: 'approve' })).token)
    expect(await run.result()).toMatchObject({ by: 'bob' })
  })

  test('is a vote where several people decide', async () => {
    const { run, id } = await paying({ quorum: 2, of: ['ann', 'bob'] })
    await expect(selvage.approvalLink(id, { action: 'approve' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(selvage.approvalLink(id, { action: 'approve', assignee: 'eve' })).rejects.toMatchObject({
      code: 'NOT_ASKED',
    })
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((assignee) => selvage.approvalLink(id, { action: 'approve', assignee })),
    )
    await selvage.answerLink(ann?.token ?? '')
    await expect(selvage.answerLink(ann?.token ?? '')).rejects.toMatchObject({ code: 'LINK_USED' })
    await selvage.answerLink(bob?.token ?? '')
    expect(await run.result()).toMatchObject({ approved: true, by: 'ann, bob' })
    await expect(selvage.answerLink(ann?.token ?? '')).rejects.toMatchObject({ code: 'LINK_USED' })
  })
})

describe('secrets', () => {
  test('are changed without breaking the links that are under way', async () => {
    const { id } = await paying()
    const { token } = await selvage.approvalLink(id, { action: 'approve' })
    const { engine } = selvage.parts
    const next = await openSelvage({ engine, clock, work: false, linkSecret: ['a new secret of this test', SECRET] })
    expect(await next.peekLink(token)).toMatchObject({ id })
    const renewed = await next.approvalLink(id, { action: 'approve' })
    await expect(selvage.peekLink(renewed.token)).rejects.toMatchObject({ code: 'LINK_INVALID' })
    const last = await openSelvage({ engine, clock, work: false, linkSecret: ['a new secret of this test'] })
    await expect(last.peekLink(token)).rejects.toMatchObject({ code: 'LINK_INVALID' })
  })

  test('are needed, and are no short words', async () => {
    const { id } = await paying()
    const without = await openSelvage({ engine: selvage.parts.engine, work: false })
    await expect(without.approvalLink(id, { action: 'approve' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('SELVAGE_LINK_SECRET'),
    })
    for (const linkSecret of ['short', [], ['long enough for a secret', '']]) {
      await expect(openSelvage({ url: 'sqlite::memory:', linkSecret })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    }
  })
})
