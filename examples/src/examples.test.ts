import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSelvage } from 'selvage'
import { describe, expect, it, vi } from 'vitest'
import { type RunOptions, run, temporaryFolder } from '../test/process.ts'

// Each of these starts several processes, one after the other.
vi.setConfig({ testTimeout: 120_000 })

async function whole(file: string, options: RunOptions): Promise<{ stdout: string; stderr: string }> {
  const ended = await run(file, options).ended
  expect(ended.stderr).not.toMatch(/Error/)
  expect(ended).toMatchObject({ code: 0, signal: null })
  return ended
}

function lines(folder: string, file: string): string[] {
  return readFileSync(join(folder, file), 'utf8').trimEnd().split('\n')
}

const calls = (stderr: string): string[] => stderr.split('\n').filter((line) => /^(offline model|search):/.test(line))

const model = (answer: number): string => `offline model: answer ${answer} on Q4 market trends`
const search = (part: string): string => `search: Q4 market trends, ${part}`
const urlIn = (folder: string): string => `sqlite:${join(folder, '.selvage/selvage.db')}`

describe('one-line.ts', () => {
  it('goes on where a SIGKILL stopped it, and calls nothing again that was recorded', async () => {
    const cwd = temporaryFolder()

    const first = run('one-line.js', { cwd })
    await first.printed(model(2))
    first.kill()
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

    const second = run('one-line.js', { cwd })
    await second.printed(search('outlook'))
    second.kill()
    const { signal, stderr } = await second.ended
    expect(signal).toBe('SIGKILL')
    expect(calls(stderr)).toEqual([model(2), search('outlook')])

    const third = await whole('one-line.js', { cwd })
    expect(calls(third.stderr)).toEqual([search('outlook'), model(3)])
    expect(third.stdout).toContain('outlook: up')

    const fourth = await whole('one-line.js', { cwd })
    expect(calls(fourth.stderr)).toEqual([])
    expect(fourth.stdout.trim()).toMatch(/^recorded: On Q4 market trends:\n- Q4 market trends, prices: up/)

    await using selvage = await openSelvage({ url: urlIn(cwd), work: false })
    const journal = await selvage.run('q4-report').journal()
    const steps = journal.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps.filter((key) => key.includes('model#'))).toHaveLength(3)
  })
})

describe('budget.ts', () => {
  it('asks for more at its cap, spends nothing anew after a SIGKILL, and says what it spent', async () => {
    const cwd = temporaryFolder()
    const first = run('budget.js', { cwd })
    await first.printed('Two more')
    first.kill()
    const { stderr: before } = await first.ended
    expect(before).not.toContain(model(3))

    const second = run('budget.js', { cwd })
    await second.printed('Two more')
    {
      await using selvage = await openSelvage({ url: urlIn(cwd), work: false })
      const [question, ...others] = (await selvage.approvals({ kind: 'budget' })).items
      expect(others).toEqual([])
      expect(question).toMatchObject({ runId: 'q4', reason: { limit: 'modelCalls', cap: 2, spent: 2 } })
      await selvage.run('q4').approve(question?.id ?? '', { by: 'the test' })
    }
    const { code, stdout, stderr } = await second.ended
    expect(code, stderr).toBe(0)
    expect(calls(stderr)).toEqual([model(3)])
    expect(stdout).toContain('run:q4: 3 of 4 modelCalls')
    expect(stdout).toMatch(/tenant:acme\/\d{4}-\d{2}-\d{2}: 0\.0\d+ of 20 usd/)
  })
})

describe('managed.ts', () => {
  it('pays once, after a yes from another process, however often it is killed and run', async () => {
    const cwd = temporaryFolder()
    const first = run('managed.js', { cwd })
    await first.printed('Say yes')
    first.kill()
    expect((await first.ended).stdout).not.toContain('paid')
    expect(existsSync(join(cwd, 'payments.jsonl'))).toBe(false)

    const second = run('managed.js', { cwd })
    await second.printed('Say yes')
    {
      await using selvage = await openSelvage({ url: urlIn(cwd), work: false })
      const [question, ...others] = (await selvage.approvals()).items
      expect(others).toEqual([])
      expect(question).toMatchObject({ runId: 'q4', tool: 'charge', input: { amount: 20 } })
      await selvage.run('q4').approve(question?.id ?? '', { by: 'the test' })
    }
    const { code, stdout, stderr } = await second.ended
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('paid 20 euros')
    expect(calls(stderr)).toEqual([model(4)])

    const third = await whole('managed.js', { cwd })
    expect(calls(third.stderr)).toEqual([])
    expect(third.stdout).toContain('paid 20 euros')
    expect(third.stdout).not.toContain('executed')
    expect(lines(cwd, 'payments.jsonl')).toHaveLength(1)
  })
})

describe('effects.ts', () => {
  it('takes stock, money and sends mails once, killed between an effect and its record', async () => {
    const cwd = temporaryFolder()
    const first = run('effects.js', { cwd })
    await first.printed('charged, and not recorded yet')
    first.kill()
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

    const second = await whole('effects.js', { cwd })
    expect(second.stdout).not.toContain('charged, and not recorded yet')
    expect(second.stdout).toBe('9 lamps left\nreserve idempotent done\ncharge once done\n')
    expect((await whole('effects.js', { cwd })).stdout).toBe(second.stdout)
    expect(lines(cwd, 'payments.jsonl')).toHaveLength(1)
    const mails = lines(cwd, 'mails.jsonl').map((line): { key: string; text: string } => JSON.parse(line))
    // At least once, and where twice, with the same key.
    const once = [...new Map(mails.map((mail) => [mail.key, mail.text])).values()]
    expect(once).toEqual(['We keep a lamp for you.', 'Paid, thank you.'])
  })
})

describe('session.ts', () => {
  it('answers each message once, however often it is killed and run', async () => {
    const cwd = temporaryFolder()
    const first = run('session.js', { cwd })
    await first.printed(model(2))
    first.kill()
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

    const second = await whole('session.js', { cwd })
    expect(second.stderr).not.toContain(model(1))
    expect(second.stdout).toContain('On Q4 market trends:')
    expect(second.stdout).toContain('messages')
    const third = await whole('session.js', { cwd })
    expect(calls(third.stderr)).toEqual([])
    expect(third.stdout).toBe(second.stdout)
  })
})

describe('team.ts', () => {
  it('goes on inside of the nodes that were open', async () => {
    const cwd = temporaryFolder()
    const first = run('team.js', { cwd })
    await first.printed(search('outlook'))
    first.kill()
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })

    const second = await whole('team.js', { cwd })
    expect(second.stdout).toContain('COMPLETED customers prices writer')
    // The writer alone begins anew: its time had not come.
    expect(second.stderr.split('offline model: answer 1 ')).toHaveLength(2)

    await using selvage = await openSelvage({ url: urlIn(cwd), work: false })
    const journal = await selvage.run('q4-team').journal()
    const steps = journal.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps.filter((key) => /^node:[^/]+$/.test(key)).toSorted()).toEqual([
      'node:customers#1',
      'node:prices#1',
      'node:writer#1',
    ])
  })
})

describe('workflow.ts', () => {
  it('publishes what its children found, once', async () => {
    const cwd = temporaryFolder()
    const first = await whole('workflow.js', { cwd })
    expect(first.stdout).toContain('published')
    const published = lines(cwd, 'published.md')
    for (const part of ['prices', 'customers', 'competitors']) {
      expect(published.filter((line) => line.startsWith(`On Q4 market trends: ${part}`))).toHaveLength(1)
    }
    await whole('workflow.js', { cwd })
    expect(lines(cwd, 'published.md')).toEqual(published)
  })
})

describe('saga.ts', () => {
  it('takes back what was done, newest first, and says so in the ledger', async () => {
    const { stdout } = await whole('saga.js', { cwd: temporaryFolder() })
    const [refunded, gaveBack, ...rest] = stdout.trimEnd().split('\n')
    expect([refunded, gaveBack]).toEqual([
      expect.stringMatching(/^refunded, because .*the hotel is full/),
      'gave back seat 12A',
    ])
    expect(rest.map((line) => line.trim())).toEqual(
      expect.arrayContaining(['flight done (undoing it: done)', 'charge done (undoing it: done)', 'hotel failed']),
    )
  })
})

describe('failures.ts', () => {
  it('killed between a failed model and its stand-in, and in a backoff, makes again nothing that was recorded', async () => {
    const cwd = temporaryFolder()
    const asked = 'first model: asked'
    const count = (stderr: string, text: string): number =>
      stderr.split('\n').filter((line) => line.includes(text)).length

    const first = run('failures.js', { cwd })
    await first.printed(model(1))
    first.kill()
    const one = await first.ended
    expect([one.signal, count(one.stderr, asked)]).toEqual(['SIGKILL', 1])

    const second = run('failures.js', { cwd })
    await second.printed('attempt 1')
    await using selvage = await openSelvage({ url: urlIn(cwd), work: false })
    const q4 = selvage.run('q4')
    const backoffs = async (): Promise<number> =>
      (await q4.journal()).filter((entry) => entry.type === 'retry' && entry.op.kind === 'tool').length
    await vi.waitUntil(async () => (await backoffs()) === 3 && (await q4.status()).status === 'suspended', {
      timeout: 20_000,
    })
    second.kill()
    const two = await second.ended
    expect([two.signal, count(two.stderr, asked), count(two.stderr, 'attempt 2')]).toEqual(['SIGKILL', 0, 0])

    const third = await run('failures.js', { cwd }).ended
    expect(third.code, third.stderr).toBe(0)
    expect(third.stdout).toContain('outlook: up')
    expect(count(third.stderr, 'prices, attempt')).toBe(1)
    expect(count(third.stderr, 'prices, attempt 2')).toBe(1)
    // Two more answers, for each of which the first model is asked once.
    expect(count(third.stderr, asked)).toBe(2)
    const journal = await q4.journal()
    for (const entry of journal) {
      if (entry.type !== 'retry') continue
      const made = journal.find((other) => other.type === 'step' && other.key === entry.key)
      expect(made?.type === 'step' && made.startedAt >= entry.retryAt).toBe(true)
    }
  })
})

describe('approvals.ts', () => {
  it('is decided by a link that answers once, also in a process that comes after the one that mailed it', async () => {
    const cwd = temporaryFolder()
    const mailed = /mail to ann@example.com: (http\S+)/
    const env = { PORT: '0' }
    const first = run('approvals.js', { cwd, env })
    await first.printed('mail to')
    first.kill()
    const { stdout, signal } = await first.ended
    expect(signal).toBe('SIGKILL')
    const link = new URL(mailed.exec(stdout)?.[1] ?? '')

    const second = run('approvals.js', { cwd, env: { PORT: link.port } })
    await vi.waitFor(async () => expect((await fetch(link, { signal: AbortSignal.timeout(2_000) })).status).toBe(200), {
      timeout: 30_000,
    })
    const page = { asks: 'refund', details: { order: 'order 7' }, status: 'open' }
    for (let scan = 0; scan < 3; scan++) expect(await (await fetch(link)).json()).toEqual(page)
    const say = async (answer: unknown): Promise<unknown> =>
      (await fetch(link, { method: 'POST', body: JSON.stringify(answer) })).json()
    expect(await say({ approved: true, value: { euros: 51 } })).toMatchObject({ code: 'BAD_INPUT' })
    const forged = new URL(link)
    forged.searchParams.set('token', `${link.searchParams.get('token')}x`)
    expect(await (await fetch(forged)).json()).toMatchObject({ code: 'LINK_INVALID' })
    const said = await Promise.all([1, 2, 3].map((n) => say({ approved: true, value: { euros: n } })))
    expect(said.filter((one) => (one as { answered?: string }).answered !== undefined)).toHaveLength(1)
    const { code, stderr, stdout: told } = await second.ended
    expect(code, stderr).toBe(0)
    const euros = said.findIndex((one) => (one as { answered?: string }).answered !== undefined) + 1
    expect(told).toContain(`${euros} euros back for order 7, said ann@example.com`)
    expect(lines(cwd, 'refunds.jsonl')).toEqual([JSON.stringify({ order: 'order 7', euros })])
  })
})
