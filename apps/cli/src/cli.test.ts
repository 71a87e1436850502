/** The built command as people run it: a child process on a database whose runs were made through `selvage`. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, globSync, truncateSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { openSelvage, type Run, type Selvage } from 'selvage/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MAIN, Place, type Told } from '../test/place.ts'

/** Who answers unless told otherwise, whatever the environment says. */
const ME = userInfo().username

let place: Place
let folder: string
let url: string
let selvage: Selvage

const cli: Place['cli'] = (...args) => place.cli(...args)
const cliAt: Place['cliAt'] = (at, ...args) => place.cliAt(at, ...args)

function json<T = Record<string, unknown>>(told: Told): T {
  return JSON.parse(told.out) as T
}

/** Lines of a table, with one space between cells. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '))
    .filter((line) => line !== '')
}

async function questionOf(run: Run<unknown>, kind?: 'callback'): Promise<string> {
  for await (const event of run.events()) {
    if (event.type !== 'questionOpened') continue
    const { items } = await selvage.approvals({ runId: run.id, ...(kind === undefined ? {} : { kind }) })
    if (items[0] !== undefined) return items[0].id
  }
  throw new Error(`Run ${run.id} ended without asking`)
}

beforeEach(async () => {
  place = await Place.open()
  ;({ folder, url, selvage } = place)
})

afterEach(() => place.close())

function publishing(): ReturnType<typeof selvage.workflow<string, unknown>> {
  return selvage.workflow(
    'publish',
    async (ctx, text: string) => {
      const draft = await ctx.step('draft', () => text.toUpperCase())
      const answer = await ctx.approval('publish', { input: { draft } })
      return ctx.step('send', () => ({ sent: answer.approved }), { effect: 'once' })
    },
    { version: '3' },
  )
}

describe('list', () => {
  test('shows runs, newest first, and filters them', async () => {
    const echo = selvage.workflow('echo', (_ctx, input: string) => input)
    await (await echo.start('a', { runId: 'one', tenant: 'acme', tags: { team: 'x' } })).result()
    await (await echo.start('b', { runId: 'two' })).result()
    const ask = await publishing().start('c', { runId: 'three' })
    await questionOf(ask)
    const all = await cli('list')
    expect(all.code).toBe(0)
    expect(lines(all.out).map((line) => line.split(' ').slice(0, 3))).toEqual([
      ['RUN', 'STATUS', 'PROGRAM'],
      ['three', 'suspended', 'publish'],
      ['two', 'completed', 'echo'],
      ['one', 'completed', 'echo'],
    ])
    const ids = async (...args: readonly string[]) =>
      json<{ readonly items: readonly { readonly id: string }[] }>(await cli('list', '--json', ...args)).items.map(
        (run) => run.id,
      )
    const filters: readonly (readonly [readonly string[], readonly string[]])[] = [
      [
        ['--status', 'completed'],
        ['two', 'one'],
      ],
      [
        ['--status', 'suspended', 'completed'],
        ['three', 'two', 'one'],
      ],
      [['--program', 'publish'], ['three']],
      [['--tenant', 'acme'], ['one']],
      [['--tag', 'team=x'], ['one']],
    ]
    const found = await Promise.all(filters.map(([args]) => ids(...args)))
    expect(found).toEqual(filters.map(([, expected]) => expected))
    const first = json<{ readonly next: string }>(await cli('list', '--limit', '2', '--json'))
    expect(await ids('--after', first.next)).toEqual(['one'])
    expect((await cli('list', '--limit', '2')).err).toContain(`selvage list --after ${first.next}`)
  })

  test('says so when there is nothing', async () => {
    const told = await cli('list')
    expect(told).toMatchObject({ code: 0, out: '', err: expect.stringContaining('No such runs') })
  })

  test('is coloured only where somebody wants it', async () => {
    const echo = selvage.workflow('echo', () => 1)
    await (await echo.start()).result()
    expect((await cli('list')).out).not.toContain('\u001b[')
  })
})

describe('show', () => {
  test('tells what a run did, what it waits for, and how to answer: the commands work as they are printed', async () => {
    const run = await publishing().start('hello', { runId: 'p 1' })
    const id = await questionOf(run)
    const shown = await cliAt(undefined, '--url', url, 'show', 'p 1')
    expect(shown.code).toBe(0)
    const text = lines(shown.out)
    expect(text[0]).toBe('p 1 suspended publish v3')
    expect(text).toContain('goes on by replaying its function against the journal')
    expect(text.find((line) => line.includes('draft code'))).toMatch(/draft code executed \d+ms/)
    expect(text.find((line) => line.includes('approval:publish'))).toContain(`wait waiting ${id}`)
    expect(text).toContain(`? publish (approval) ${id}`)
    expect(text).toContain('input {"draft":"HELLO"}')
    const command = text.find((line) => line.startsWith('selvage') && line.includes('approve')) ?? ''
    expect(command).toBe(`selvage --url ${url} approve ${id}`)
    expect(await cliAt(undefined, ...command.split(' ').slice(1))).toMatchObject({ code: 0 })
    expect(await run.result()).toEqual({ sent: true })
    const after = lines((await cli('show', 'p 1')).out)
    expect(after[0]).toBe('p 1 completed publish v3')
    expect(after.find((line) => line.includes('approval:publish'))).toMatch(new RegExp(`wait answered .* by ${ME}$`))
    expect(after.some((line) => line.startsWith('selvage'))).toBe(false)
  })

  test('as one document for programs', async () => {
    const run = await publishing().start('hello', { runId: 'p' })
    const id = await questionOf(run)
    expect(json(await cli('show', 'p', '--json'))).toMatchObject({
      run: { id: 'p', status: 'suspended', program: 'publish', version: '3', input: 'hello' },
      resume: 'replay',
      timeline: [
        { what: 'run', state: 'started' },
        { what: 'worker', state: 'claimed', worker: { pid: process.pid } },
        { what: 'step', key: 'draft', state: 'executed', attempts: 1 },
        { what: 'wait', key: 'approval:publish', state: 'waiting', detail: id },
      ],
      questions: [{ id, kind: 'approval', input: { draft: 'HELLO' } }],
      children: [],
    })
  })

  test('children, failures and what to do about them', async () => {
    const part = selvage.workflow('part', (ctx) => ctx.step('break', () => Promise.reject(new Error('no luck'))))
    const whole = selvage.workflow('whole', (ctx) => ctx.child(part, undefined, { key: 'part' }))
    await (await whole.start(undefined, { runId: 'w' })).result().catch(() => {})
    const text = lines((await cli('show', 'w')).out)
    expect(text).toContain('child w/part failed part')
    expect(text.find((line) => line.includes('child:part/done'))).toContain('answered')
    expect(text.find((line) => line.includes('child:part/done'))).toMatch(/w\/part failed: .*no luck$/)
    expect(text.at(-1)).toBe('to let it go on: selvage retry w')
    expect(
      lines((await cli('show', 'w/part')).out).some(
        (line) => line.includes('break code failed') && line.includes('no luck'),
      ),
    ).toBe(true)
  })

  test('a worker that was killed: dead until the next one takes the run over, which then stands in the timeline', async () => {
    await selvage.close()
    writeFileSync(
      join(folder, 'slow.mjs'),
      `export default (selvage) => selvage.workflow('slow', async (ctx) => {
        await ctx.step('first', () => 1)
        await ctx.step('second', () => process.env.HANG && (console.log('hanging'), new Promise(() => {})))
      })`,
    )
    const front = await openSelvage({ url, work: false })
    try {
      const run = await front.workflow('slow', () => {}).start(undefined, { runId: 's' })
      const work = (hang: string) =>
        spawn(process.execPath, [MAIN, 'work', 'slow.mjs', '--url', url], {
          cwd: folder,
          env: { ...process.env, HANG: hang },
          stdio: ['ignore', 'pipe', 'inherit'],
        })
      const killed = work('1')
      for await (const text of killed.stdout) if (String(text).includes('hanging')) break
      const alive = await cli('show', 's')
      expect(lines(alive.out)[0]).toBe('s running slow')
      expect(alive.out).not.toContain('dead')
      killed.kill('SIGKILL')
      await once(killed, 'exit')

      expect(lines((await cli('list')).out)[1]).toMatch(/^s running \(worker dead\) slow /)
      expect(json(await cli('list', '--json'))).toMatchObject({ items: [{ owner: { pid: killed.pid, alive: false } }] })
      const dead = lines((await cli('show', 's')).out)
      expect(dead.slice(0, 2)).toEqual([
        's running slow',
        'running, but its worker is dead: the next worker takes it over',
      ])
      expect(dead.find((line) => line.startsWith('worker'))).toContain(`pid ${killed.pid} on `)
      expect(dead.find((line) => line.includes('first code'))).toContain('executed')

      const next = work('')
      try {
        await run.result()
        const text = lines((await cli('show', 's')).out)
        const takeover = text.findIndex((line) => line.startsWith(`── worker pid ${next.pid} on `))
        expect(text[takeover]).toMatch(new RegExp(`took over \\(pid ${killed.pid} died\\)$`))
        expect(text[takeover - 1]).toMatch(/first code recovered/)
        expect(text[takeover + 1]).toMatch(/second code executed/)
        const { run: state, timeline } = json<{ readonly run: unknown; readonly timeline: unknown }>(
          await cli('show', 's', '--json'),
        )
        expect(state).toMatchObject({
          claims: [
            { pid: killed.pid, from: 1 },
            { pid: next.pid, from: 2, recoveredFrom: expect.any(String) },
          ],
        })
        expect(timeline).toMatchObject([
          { what: 'run' },
          { what: 'worker', state: 'claimed' },
          { key: 'first', state: 'recovered', worker: { pid: killed.pid } },
          { what: 'worker', state: 'recovered', worker: { pid: next.pid }, recoveredFrom: { pid: killed.pid } },
          { key: 'second', state: 'executed', worker: { pid: next.pid } },
          { what: 'run' },
        ])
      } finally {
        next.kill('SIGKILL')
      }
    } finally {
      await front.close()
    }
  })

  test('a run of durable() says what its status cannot', async () => {
    const inline = selvage.program<null, unknown>(
      {
        name: 'inline:a',
        resume: 'fold',
        run: async (durable) => {
          await durable.state('turn#1', { input: 'x' })
          await durable.wait('attached', 'detached')
          await durable.state('turn#1.end', {})
          await durable.wait('attached again', 'detached again')
        },
      },
      { input: () => null, result: (recorded) => recorded },
    )
    const run = await inline.start(null, { runId: 'i' })
    const waiting = async (name: string) => {
      for await (const event of run.events()) {
        if (event.type === 'runSuspended' && event.waitsFor.signals.includes(name)) return
      }
    }
    await waiting('detached')
    expect(lines((await cli('show', 'i')).out)[1]).toBe('inline: turn 1 was interrupted: run the program again')
    expect(lines((await cli('list')).out)[1]).toMatch(/^i suspended \(inline, turn 1 interrupted\) inline:a /)
    await run.signal('detached')
    await waiting('detached again')
    expect(lines((await cli('show', 'i')).out)[1]).toBe('inline: turn 1 is done, nothing is left to do')
    expect(json(await cli('list', '--json'))).toMatchObject({ items: [{ inline: { turn: 1, state: 'idle' } }] })
  })

  test('text of a run cannot write to the terminal', async () => {
    const evil = selvage.workflow('evil', () => '\u001b[31mred\u0007')
    const run = await evil.start(undefined, { runId: 'e' })
    await run.result()
    expect((await cli('show', 'e')).out).not.toContain('\u001b')
    expect((await cli('journal', 'e')).out).not.toContain('\u001b')
  })
})

test('journal: one entry a line', async () => {
  const echo = selvage.workflow('echo', (ctx, input: string) => ctx.step('say', () => input))
  const run = await echo.start('hi', { runId: 'j' })
  await run.result()
  const types = ['start', 'step', 'end']
  expect(lines((await cli('journal', 'j')).out).map((line) => line.split(' ')[2])).toEqual(types)
  const documents = (await cli('journal', 'j', '--json')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(documents).toEqual(await run.journal())
})

describe('answers', () => {
  test('an approval with other arguments, and the second one is told who was first', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay', { input: { amount: 12 } }))
    const run = await pay.start(undefined, { runId: 'pay' })
    const id = await questionOf(run)
    const told = await cli('approve', id, '--input', '{"amount":10}', '--json')
    expect(json(told)).toEqual({ id, runId: 'pay', answer: 'approved', by: ME })
    expect(await run.result()).toMatchObject({ approved: true, input: { amount: 10 }, by: ME })
    const second = await cli('reject', id, '--reason', 'no', '--by', 'bob')
    expect(second).toMatchObject({ code: 4, out: '', err: expect.stringContaining(`was answered before by ${ME}`) })
    const third = await cli('approve', id, '--json')
    expect(third.code).toBe(4)
    expect(JSON.parse(third.err)).toMatchObject({
      error: { code: 'ALREADY_ANSWERED', details: { by: ME, value: { approved: true, input: { amount: 10 } } } },
    })
  })

  test('a rejection with its reason', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
    const run = await pay.start()
    expect((await cli('reject', await questionOf(run), '--reason', 'too much', '--by', 'bob')).code).toBe(0)
    expect(await run.result()).toMatchObject({ approved: false, reason: 'too much', by: 'bob' })
  })

  test('a callback with a value', async () => {
    const hook = selvage.workflow('hook', (ctx) => ctx.callback('paid').result)
    const run = await hook.start(undefined, { runId: 'h' })
    const id = await questionOf(run, 'callback')
    expect(lines((await cli('show', 'h')).out).at(-1)).toBe(`selvage respond ${id} '<value as JSON>'`)
    expect(await cli('respond', id, 'not json')).toMatchObject({ code: 2, err: expect.stringContaining('is not JSON') })
    expect((await cli('respond', id, '{"n":1}')).code).toBe(0)
    expect(await run.result()).toEqual({ n: 1 })
  })
})

describe('people', () => {
  test('an inbox, a delegation, and data that are refused where they do not fit', async () => {
    const pay = selvage.workflow('pay', (ctx) =>
      ctx.approval('pay', { assignee: 'ann', schema: { type: 'object', required: ['amount'] } }),
    )
    const run = await pay.start(undefined, { runId: 'pay', tags: { team: 'red' } })
    const id = await questionOf(run)
    const table = lines((await cli('approvals', '--assignee', 'ann', '--tag', 'team=red')).out)
    expect(table[0]).toBe('QUESTION STATUS ASKS FOR RUN ASKED UNTIL')
    expect(table[1]).toMatch(new RegExp(`^${id} open pay ann pay .*ago$`))
    expect((await cli('delegate', id, 'bob', '--by', 'ann', '--reason', 'on leave')).out).toBe(
      `${id} is for bob now.\n`,
    )
    expect(json(await cli('approvals', '--assignee', 'ann', '--json'))).toEqual({ items: [] })
    expect(json(await cli('approvals', '--assignee', 'bob', '--json'))).toMatchObject({
      items: [{ id, delegations: [{ from: 'ann', to: 'bob', by: 'ann', reason: 'on leave' }] }],
    })
    const shown = lines((await cli('show', 'pay')).out)
    expect(shown.some((line) => line.startsWith('given ann → bob'))).toBe(true)
    expect(shown).toContain(`selvage respond ${id} '<data as JSON>'`)
    expect(await cli('respond', id, '{}')).toMatchObject({ code: 2, err: expect.stringContaining('amount') })
    expect(await cli('approvals', '--status', 'done')).toMatchObject({ code: 2 })
    expect(await cli('approvals', '--kind', 'guess')).toMatchObject({ code: 2 })
    for (const kind of ['approval', 'budget', 'compensation']) {
      expect(json(await cli('approvals', '--kind', kind, '--status', 'any', '--json'))).toMatchObject({
        items: kind === 'approval' ? [{ kind }] : [],
      })
    }
    expect((await cli('approve', id, '--value', '{"amount":3}')).code).toBe(0)
    expect(await run.result()).toMatchObject({ approved: true, value: { amount: 3 }, by: ME })
  })

  test('several who decide, and a link', async () => {
    const pay = selvage.workflow('pay', (ctx) =>
      ctx.approval('pay', { quorum: 2, of: ['ann', 'bob'], reminders: '1h', input: { amount: 3 } }),
    )
    const run = await pay.start(undefined, { runId: 'pay' })
    const id = await questionOf(run)
    expect(await cli('approve', id)).toMatchObject({ code: 4, err: expect.stringContaining('ann, bob') })
    expect((await cli('approve', id, '--by', 'ann')).out).toContain('one of several people')
    expect(lines((await cli('show', 'pay')).out)).toContain('needs 2 of ann, bob (so far ann yes)')
    expect(await cli('link', id, '--assignee', 'bob')).toMatchObject({
      code: 2,
      err: expect.stringContaining('SELVAGE_LINK_SECRET'),
    })
    process.env.SELVAGE_LINK_SECRET = 'the-secret-of-this-test an-older-secret-of-it'
    try {
      const made = await cli('link', id, '--assignee', 'bob', '--expires-in', '1h', '--page', 'https://example.com/a')
      expect(made.out).toMatch(/^https:\/\/example\.com\/a\?token=link1\./)
      await using answering = await openSelvage({ url, work: false })
      await answering.answerLink(new URL(made.out.trim()).searchParams.get('token') ?? '', { approved: true })
    } finally {
      delete process.env.SELVAGE_LINK_SECRET
    }
    expect(await run.result()).toMatchObject({ approved: true, by: 'ann, bob' })
  })
})

describe('many runs', () => {
  test('are listed first, and retried or discarded with --yes only', async () => {
    let isMended = false
    const flaky = selvage.workflow('flaky', (ctx, n: number) =>
      ctx.step('work', () => {
        if (!isMended) throw new Error('down')
        return n
      }),
    )
    for (const id of ['a', 'b', 'c']) await (await flaky.start(1, { runId: id })).result().catch(() => {})
    const listed = await cli('retry', '--failed', '--program', 'flaky')
    expect([listed.code, listed.err]).toEqual([0, expect.stringContaining('Nothing was done')])
    expect((await selvage.run('a').status()).status).toBe('failed')
    expect((await cli('discard', 'a')).err).toContain('--yes')
    expect(json(await cli('--json', 'discard', 'a', '--yes'))).toEqual({ runId: 'a', done: true, gone: ['a'] })
    expect((await cli('show', 'a')).code).toBe(3)
    await selvage.workflow('asks', (ctx) => ctx.signal('go')).start(undefined, { runId: 'asks' })
    expect(await cli('retry', 'asks')).toMatchObject({ code: 4, err: expect.stringContaining('Wait until it ends') })
    expect(await cli('discard', 'asks', '--yes')).toMatchObject({ code: 4, err: expect.stringContaining('Cancel it') })
    isMended = true
    const done = json<{ items: { id: string; done: boolean }[] }>(await cli('--json', 'retry', '--failed', '--yes'))
    expect(done.items.map(({ id, done }) => [id, done])).toEqual([
      ['c', true],
      ['b', true],
    ])
    expect(await selvage.run('b').result()).toBe(1)
    expect(await selvage.run('c').result()).toBe(1)
    expect((await cli('discard', '--completed', '--program', 'flaky', '--yes')).code).toBe(0)
    expect((await selvage.runs({ program: 'flaky' })).items).toEqual([])
    expect((await cli('discard')).code).toBe(2)
    expect((await cli('retry', 'x', '--failed')).code).toBe(2)
  })
})

describe('signal, cancel, retry', () => {
  test('a signal reaches a run that waits in another process', async () => {
    const wait = selvage.workflow('wait', (ctx) => ctx.signal('go'))
    const run = await wait.start(undefined, { runId: 'w' })
    expect((await cli('signal', 'w', 'go', '{"n":1}', '--id', 'x')).code).toBe(0)
    expect(await run.result()).toEqual({ n: 1 })
    expect(await cli('signal', 'w', 'go')).toMatchObject({ code: 4, err: expect.stringContaining('w') })
  })

  test('a cancelled run says why', async () => {
    const wait = selvage.workflow('wait', (ctx) => ctx.signal('never'))
    const run = await wait.start(undefined, { runId: 'w' })
    expect((await cli('cancel', 'w', '--reason', 'enough')).code).toBe(0)
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED', details: { reason: 'enough' } })
  })

  test('a failed run goes on, a completed one does not', async () => {
    let broken = true
    const fragile = selvage.workflow('fragile', (ctx) =>
      ctx.step('break', () => {
        if (broken) throw new Error('no luck')
        return 'luck'
      }),
    )
    const run = await fragile.start(undefined, { runId: 'f' })
    await run.result().catch(() => {})
    broken = false
    expect((await cli('retry', 'f')).code).toBe(0)
    expect(await run.result()).toBe('luck')
    expect((await cli('retry', 'f')).code).toBe(4)
  })
})

describe('fork', () => {
  test('makes a new run from a step on, which says where it comes from', async () => {
    const made: string[] = []
    const flow = selvage.workflow('flow', async (ctx) => {
      await ctx.step('a', () => made.push('a'))
      return await ctx.step('b', () => made.push('b'))
    })
    await (await flow.start(undefined, { runId: 'q4' })).result()
    const told = await cli('fork', 'q4', '--at', 'b', '--effects', '{"b":"dry-run"}', '--run-id', 'q4-b')
    expect(told).toMatchObject({ code: 0, out: expect.stringContaining('Run q4-b is forked from q4') })
    expect(await flow.run('q4-b').result()).toMatchObject({ dryRun: true, step: 'b' })
    expect(made).toEqual(['a', 'b'])
    expect((await cli('show', 'q4-b')).out).toContain('forked from q4, before its entry 2')
    expect((await cli('list', '--tag', 'forkedFrom=q4')).out).toContain('q4-b')
    expect(await cli('fork', 'q4', '--at', 'nowhere')).toMatchObject({ code: 2 })
  })

  test('is what show offers for a run that was undone, with its open items', async () => {
    const flow = selvage.workflow('undone', async (ctx) => {
      await ctx.step('charge', () => 1, {
        compensate: { run: () => Promise.reject(new Error('closed')), retry: { maxAttempts: 1 } },
      })
      throw new Error('enough')
    })
    await (await flow.start(undefined, { runId: 'u' })).result().catch(() => {})
    const { out } = await cli('show', 'u')
    expect(out).toContain('selvage fork u')
    expect(out).toContain('failed: enough')
    expect(out).toMatch(/charge \(compensation\) {2}ap_/)
    expect(out).toContain('--reason retry')
  })
})

describe('what does not exist', () => {
  test('a database: named, and not created', async () => {
    const none = join(folder, 'none', 'a.db')
    for (const args of [['list'], ['show', 'x'], ['approve', 'ap_x'], ['doctor'], ['backup', 'b']]) {
      expect(await cliAt(`sqlite:${none}`, ...args)).toMatchObject({
        code: 3,
        out: '',
        err: expect.stringContaining(none),
      })
    }
    expect(existsSync(join(folder, 'none'))).toBe(false)
    const byDefault = await cliAt(undefined, 'list')
    expect(byDefault).toMatchObject({ code: 3, err: expect.stringContaining(join('.selvage', 'selvage.db')) })
    expect(existsSync(join(folder, '.selvage'))).toBe(false)
  })

  test('a run: with the ids that may have been meant', async () => {
    const echo = selvage.workflow('echo', () => 1)
    await (await echo.start(undefined, { runId: 'report-q4' })).result()
    for (const args of [
      ['show', 'report-q3'],
      ['journal', 'report'],
      ['cancel', 'reprot-q4'],
      ['retry', 'report-q44'],
    ]) {
      expect(await cli(...args)).toMatchObject({
        code: 3,
        out: '',
        err: expect.stringContaining('Did you mean report-q4?'),
      })
    }
    expect((await cli('show', 'something-else')).err).toContain("'selvage list' shows them")
  })

  test('an approval: with what is open', async () => {
    expect(await cli('approve', 'ap_x')).toMatchObject({ code: 3, err: expect.stringContaining('No approval is open') })
    const run = await publishing().start('hello', { runId: 'p' })
    const id = await questionOf(run)
    expect((await cli('approve', id.slice(0, -1))).err).toContain(`Did you mean ${id}?`)
    expect((await cli('approve', 'ap_x')).err).toContain(`Open are: ${id}`)
    // The id of the run in place of that of its question.
    expect((await cli('approve', 'p')).err).toContain(id)
  })

  test('abilities that are not built yet', async () => {
    for (const args of [['serve', '--port', '80']]) {
      expect(await cli(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('not built yet') })
    }
  })

  test.each([
    [['frobnicate'], 'unknown command'],
    [['list', '--frob'], 'unknown option'],
    [['list', '--status', 'done'], 'no such status'],
    [['list', '--limit', '0'], 'whole number'],
    [['list', '--tag', 'team'], 'key=value'],
    [['show'], 'missing required argument'],
    [['list', '--url', 'a.db'], "Write 'sqlite:a.db'"],
  ])('%j is a usage error, as JSON too', async (args, message) => {
    const [words, document] = await Promise.all([cli(...args), cli(...args, '--json')])
    expect(words).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) })
    expect(document).toMatchObject({ code: 2, out: '' })
    expect(JSON.parse(document.err)).toMatchObject({ error: { message: expect.stringContaining(message) } })
  })
})

test('help says what the exit codes mean', async () => {
  const told = await cli('--help')
  expect(told.code).toBe(0)
  expect(told.out).toMatch(/Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 .*\n {2}4 /)
})

describe('work', () => {
  const MODULE = `export default (selvage) => {
    selvage.workflow('greet', async (ctx, name) => {
      await ctx.signal('go')
      return ctx.step('hello', () => 'hello ' + name + ' from ' + process.pid)
    })
  }`

  test('works on the programs of a module until SIGTERM, and lets go of its runs', async () => {
    const file = join(folder, 'worker.mjs')
    writeFileSync(file, MODULE)
    const front = await openSelvage({ url, work: false })
    try {
      const greet = front.workflow('greet', (_ctx, _name: string) => '')
      const [one, two] = [await greet.start('bob'), await greet.start('eve')]
      const worker = spawn(process.execPath, [MAIN, 'work', 'worker.mjs', '--json', '--url', url], { cwd: folder })
      try {
        await once(worker.stdout, 'data')
        await one.signal('go')
        expect(await one.result()).toBe(`hello bob from ${worker.pid}`)
        const said: string[] = []
        worker.stdout.on('data', (text) => said.push(String(text)))
        const ended = once(worker, 'close')
        worker.kill('SIGTERM')
        expect(await ended).toEqual([0, null])
        // Not an end by somebody else's handler.
        expect(JSON.parse(said.join(''))).toEqual({ event: 'stopped', pid: worker.pid })
      } finally {
        worker.kill('SIGKILL')
      }
      expect(await two.status()).toMatchObject({ crashes: 0, status: expect.stringMatching(/suspended|pending/) })
    } finally {
      await front.close()
    }
  })

  test('comes to rest before the handlers of the module hear of SIGTERM: some end the process', async () => {
    writeFileSync(join(folder, 'worker.mjs'), `process.on('SIGTERM', () => process.exit(7))\n${MODULE}`)
    const worker = spawn(process.execPath, [MAIN, 'work', 'worker.mjs', '--json', '--url', url], { cwd: folder })
    let said = ''
    worker.stdout.on('data', (text) => {
      if (said === '') worker.kill('SIGTERM')
      said += text
    })
    try {
      expect(await once(worker, 'close')).toEqual([7, null])
      expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toEqual({ event: 'stopped', pid: worker.pid })
    } finally {
      worker.kill('SIGKILL')
    }
  })

  test('--concurrency bounds how many runs it has at once', async () => {
    const stuck = "(ctx) => ctx.step('stuck', () => new Promise(() => {}))"
    writeFileSync(join(folder, 'worker.mjs'), `export default (selvage) => { selvage.workflow('stuck', ${stuck}) }`)
    const front = await openSelvage({ url, work: false })
    try {
      const program = front.workflow('stuck', () => 1)
      for (let run = 0; run < 3; run++) await program.start()
      const args = [MAIN, 'work', 'worker.mjs', '--concurrency', '2', '--url', url]
      const worker = spawn(process.execPath, args, { cwd: folder })
      try {
        const count = async (status: 'running' | 'pending'): Promise<number> =>
          (await front.runs({ status })).items.length
        // It takes as many as it may in one commit.
        await vi.waitFor(async () => expect(await count('running')).toBe(2), { timeout: 20_000 })
        expect(await count('pending')).toBe(1)
      } finally {
        worker.kill('SIGKILL')
      }
    } finally {
      await front.close()
    }
  })

  test.each([
    ['nothing.mjs', undefined, 'There is no module'],
    ['none.mjs', 'export const a = 1', 'exports no function'],
    ['empty.mjs', 'export const register = () => {}', 'registered no program'],
  ])('%s is refused', async (name, source, message) => {
    if (source !== undefined) writeFileSync(join(folder, name), source)
    expect(await cli('work', name)).toMatchObject({ code: 2, err: expect.stringContaining(message) })
  })
})

describe('backup', () => {
  test('is a database in which a run goes on where it was', async () => {
    const run = await publishing().start('text', { runId: 'r' })
    const question = await questionOf(run)
    const file = join(folder, 'backup.db')
    const told = await cli('backup', file)
    expect(told).toMatchObject({ code: 0, err: '', out: expect.stringContaining(`Copied to ${file}, `) })
    expect(await cli('backup', file, '--json')).toMatchObject({ code: 2, err: expect.stringContaining('BAD_INPUT') })
    await run.approve(question)
    await run.result()
    await selvage.close()
    selvage = await openSelvage({ url: `sqlite:${file}` })
    publishing()
    await selvage.work()
    const again = selvage.run('r')
    expect((await again.status()).status).toBe('suspended')
    await again.reject(await questionOf(again))
    expect(await again.result()).toEqual({ sent: false })
    await selvage.close()
    expect((await cli('doctor')).code).toBe(0)
    expect(await cliAt('postgres://nowhere/x', 'backup', 'c')).toMatchObject({
      code: 2,
      err: expect.stringContaining('pg_dump'),
    })
    const tiny = await cli('backup', join(folder, 'second.db'), '--json')
    expect(json(tiny)).toEqual({ path: join(folder, 'second.db'), bytes: expect.any(Number) })
  })
})

describe('doctor', () => {
  test('finds nothing wrong with a database in use, and says who works on it', async () => {
    await selvage.work()
    const told = await cli('doctor')
    expect(told).toMatchObject({ code: 0, err: '' })
    expect(told.out).toContain(`1 at work (pid ${process.pid} on`)
    expect(json(await cli('doctor', '--json'))).toMatchObject({
      ok: true,
      checks: expect.arrayContaining([expect.objectContaining({ name: 'integrity', state: 'ok' })]),
    })
  })

  test('sees runs that nobody works on', async () => {
    const front = await openSelvage({ url, work: false })
    await front.workflow('greet', () => 1).start()
    await front.close()
    expect((await cli('doctor')).out).toContain('1 run waits for one')
  })

  test('says so when the file is damaged or is something else', async () => {
    const broken = join(folder, 'broken.db')
    const echo = selvage.workflow('echo', () => 'x'.repeat(20_000))
    await (await echo.start()).result()
    await selvage.close()
    copyFileSync(join(folder, 'runs.db'), broken)
    truncateSync(broken, 20_000)
    const told = await cliAt(`sqlite:${broken}`, 'doctor')
    expect(told.code).toBe(1)
    expect(told.out).toMatch(/✗ (integrity|database)/)
    const text = join(folder, 'text.db')
    writeFileSync(text, 'no database at all, '.repeat(100))
    expect(await cliAt(`sqlite:${text}`, 'doctor')).toMatchObject({
      code: 1,
      out: expect.stringContaining('✗ database'),
    })
    expect(await cliAt(`sqlite:${text}`, 'list')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining(text),
    })
  })
})

test('an old Node is told so, in a sentence and in JSON', async () => {
  const bin = join(import.meta.dirname, '../bin/selvage.js')
  const pretence = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '20.11.0' } })`
  const run = (...args: readonly string[]) =>
    new Promise<{ readonly code: unknown; readonly err: string }>((resolve) => {
      const all = ['--no-experimental-sqlite', '--import', pretence, bin, ...args]
      execFile(process.execPath, all, (error, _out, err) => resolve({ code: error?.code, err }))
    })
  const message = 'Selvage needs Node 22.13 or newer; this is Node 20.11.0.'
  expect(await run('list')).toEqual({ code: 2, err: `selvage: ${message}\n` })
  const { code, err } = await run('list', '--json')
  expect(code).toBe(2)
  expect(JSON.parse(err)).toMatchObject({ error: { code: 'UNSUPPORTED', message } })
})

test('a worker leaves to the next one what it has compiled, though it is killed', async () => {
  const compiled = (): number =>
    globSync('node-compile-cache/**', { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile()).length
  writeFileSync(join(folder, 'worker.mjs'), "export default (selvage) => { selvage.workflow('w', async () => 1) }\n")
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env
  const bin = join(import.meta.dirname, '../bin/selvage.js')
  const worker = spawn(process.execPath, [bin, 'work', 'worker.mjs', '--url', url], {
    cwd: folder,
    env: { ...env, TMPDIR: folder },
  })
  const gone = once(worker, 'exit')
  await once(worker.stdout, 'data')
  await vi.waitFor(() => expect(compiled()).toBeGreaterThan(10), { timeout: 20_000 })
  worker.kill('SIGKILL')
  await gone
})
