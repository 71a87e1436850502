/** What cannot be is refused by code, with the run or file named and what to do; nothing is lost, and runs go on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '@selvage/store-sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type SmallDisk, smallDisk } from '../test/small-disk.ts'
import { type Context, type OpenOptions, openSelvage, type Selvage } from './core.ts'

let folder: string
let path: string
const opened: Selvage[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-bad-'))
  path = join(folder, 'a.db')
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((selvage) => selvage.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: OpenOptions = {}): Promise<Selvage> {
  const place = options.url === undefined && options.store === undefined ? { url: `sqlite:${path}` } : {}
  const selvage = await openSelvage({ ...place, ...options })
  opened.push(selvage)
  return selvage
}

async function close(selvage: Selvage): Promise<void> {
  opened.splice(opened.indexOf(selvage), 1)
  await selvage.close()
}

/** What the worker of a Selvage is told beside its runs. */
function listening(): {
  readonly lines: string[]
  readonly logger: NonNullable<OpenOptions['logger']>
  told(what: RegExp): Promise<void>
} {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const hear = (line: string): void => {
    lines.push(line)
    for (const look of waiting) look()
  }
  return {
    lines,
    logger: { info: hear, warn: hear, error: hear },
    async told(what) {
      while (!lines.some((line) => what.test(line))) await new Promise<void>((resolve) => void waiting.add(resolve))
    },
  }
}

const notSerialisable = (path: string) => ({ code: 'NOT_SERIALISABLE', message: expect.stringContaining(path) })

describe('a value that cannot be recorded is refused with its path', () => {
  const bad = { rows: [{ at: 1, later: () => {} }] }

  test('as an input, a signal, an answer: nothing is started or sent', async () => {
    const selvage = await open()
    const flow = selvage.workflow('flow', async (ctx, _input: unknown) => {
      const { id, result } = ctx.callback('back')
      await ctx.step('tell', () => id)
      return [await result, await ctx.signal('go')]
    })
    await expect(flow.start(bad, { runId: 'never' })).rejects.toMatchObject(notSerialisable('rows[0].later'))
    await expect(selvage.run('never').status()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const run = await flow.start(null, { runId: 'r' })
    for await (const event of run.events()) if (event.type === 'questionOpened') break
    const [question] = (await selvage.approvals({ kind: 'callback' })).items
    const id = question?.id ?? ''
    await expect(run.signal('go', bad)).rejects.toMatchObject(notSerialisable('rows[0].later'))
    await expect(run.respond(id, bad)).rejects.toMatchObject(notSerialisable('rows[0].later'))
    await run.respond(id, 'an answer')
    await run.signal('go', 'on')
    expect(await run.result()).toEqual(['an answer', 'on'])
  })

  test('as the result of a step, the input of a child, a result: the author can catch it, or the run fails with it', async () => {
    const selvage = await open()
    const echo = selvage.workflow('echo', (_ctx, input: unknown) => input)
    const flow = selvage.workflow('flow', async (ctx, where: string) => {
      if (where === 'result') return bad
      if (where === 'status') ctx.status(bad)
      const caught = ctx.step('caught', () => bad).catch((error: Error) => error.cause)
      if (where === 'caught') return ((await caught) as Error).message
      if (where === 'child') return ctx.child(echo, bad)
      return ctx.step('uncaught', () => bad)
    })
    for (const where of ['result', 'status', 'child']) {
      const failed = (await flow.start(where)).result()
      await expect(failed, where).rejects.toMatchObject({ code: 'RUN_FAILED', cause: notSerialisable('rows[0].later') })
    }
    await expect((await flow.start('uncaught')).result()).rejects.toMatchObject({
      code: 'RUN_FAILED',
      cause: { code: 'STEP_FAILED', cause: notSerialisable('rows[0].later') },
    })
    expect(await (await flow.start('caught')).result()).toContain('rows[0].later')
  })
})

test('a key that is open twice is refused by name, and the first goes on', async () => {
  const selvage = await open()
  const flow = selvage.workflow('flow', async (ctx) => {
    const same = await Promise.allSettled([
      ctx.step('pay', () => 1),
      ctx.step('pay', () => 2),
      ctx.signal('go'),
      ctx.signal('go'),
    ])
    return same.map((each) =>
      each.status === 'fulfilled' ? each.value : `${each.reason.code}: ${each.reason.message}`,
    )
  })
  const run = await flow.start(undefined, { runId: 'r' })
  await run.signal('go', 'on')
  const inUse = (name: string) =>
    expect.stringMatching(new RegExp(`^KEY_IN_USE: "${name}" is already open in run r\\..*key`))
  expect(await run.result()).toEqual([1, inUse('pay'), 'on', inUse('signal:go')])
  const sequence = selvage.workflow('sequence', async (ctx) => {
    await ctx.step('a', () => 1, { key: 'k' })
    await ctx.step('b', () => 2, { key: 'k' })
  })
  await expect((await sequence.start()).result()).rejects.toMatchObject({ cause: { code: 'KEY_IN_USE' } })
})

test('an unknown run is NOT_FOUND, whatever is asked of it', async () => {
  const selvage = await open()
  const run = selvage.run('nobody')
  const asked = {
    status: run.status(),
    result: run.result(),
    events: run.events().next(),
    signal: run.signal('s'),
    approve: run.approve('ap_none'),
    cancel: run.cancel(),
    retry: run.retry(),
    journal: run.journal(),
    effects: selvage.effects({ runId: 'nobody' }),
  }
  const answers = await Promise.allSettled(Object.values(asked))
  for (const [index, what] of Object.keys(asked).entries()) {
    const id = what === 'approve' ? 'ap_none' : 'nobody'
    expect(answers[index], what).toMatchObject({ reason: { code: 'NOT_FOUND', message: expect.stringContaining(id) } })
  }
})

describe('a database that cannot be used', () => {
  test('is left as it is: no database, damaged, of a newer version', async () => {
    writeFileSync(path, 'dear diary, '.repeat(1_000))
    const before = readFileSync(path)
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(path) })
    expect(readFileSync(path).equals(before)).toBe(true)
    rmSync(path)

    const selvage = await open()
    const flow = (on: Selvage) =>
      on.workflow('flow', async (ctx) => [await ctx.step('a', () => 1), await ctx.signal('go')])
    const run = await flow(selvage).start(undefined, { runId: 'r' })
    for await (const event of run.events()) if (event.type === 'stepCompleted') break
    await close(selvage)
    const version = schemaVersion()
    tamper('pragma user_version = 99')
    await expect(open()).rejects.toMatchObject({
      code: 'SCHEMA_TOO_NEW',
      message: expect.stringMatching(new RegExp(`${path}.*schema 99.*Update Selvage`)),
    })
    tamper(`pragma user_version = ${version}`)
    const again = await open()
    flow(again)
    await again.work()
    await again.run('r').signal('go', 2)
    expect(await again.run('r').result()).toEqual([1, 2])
  })

  test('is damaged in one run: that run says so, the others go on', async () => {
    const { logger, told } = listening()
    const body = async (ctx: Parameters<Parameters<Selvage['workflow']>[1]>[0]) => [
      await ctx.step('a', () => 1),
      await ctx.signal('go'),
    ]
    const selvage = await open()
    const flow = selvage.workflow('flow', body)
    for (const runId of ['bad', 'good']) {
      const run = await flow.start(undefined, { runId })
      for await (const event of run.events()) if (event.type === 'stepCompleted') break
    }
    await close(selvage)
    tamper(`update entry set body = '{' where seq = 1 and run = (select n from run where id = 'bad')`)
    const again = await open({ logger })
    again.workflow('flow', body)
    await again.work()
    for (const runId of ['bad', 'good']) await again.run(runId).signal('go', 2)
    expect(await again.run('good').result()).toEqual([1, 2])
    await told(/bad/)
    await expect(again.run('bad').journal()).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('bad'),
    })
  })

  function tamper(sql: string): void {
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }

  function schemaVersion(): unknown {
    const database = new DatabaseSync(path)
    const row = database.prepare('pragma user_version').get()
    database.close()
    return row?.user_version
  }
})

/** Each step is as large as a page, and is counted. */
function filling(selvage: Selvage, steps: number, done: number[]) {
  return selvage.workflow('filling', async (ctx) => {
    for (let n = 1; n <= steps; n++) {
      await ctx.step('write', () => {
        done.push(n)
        return String(n).padEnd(4_000, '.')
      })
    }
    return 'written'
  })
}

describe('a full disk', () => {
  test('by limit: a clear error for what is started, runs wait, and go on where there is room', async () => {
    const { logger, told } = listening()
    const done: number[] = []
    const small = await open({ store: await sqliteStore({ path, maxBytes: 60 * 4_096 }), logger })
    const flow = filling(small, 100, done)
    await flow.start(undefined, { runId: 'r' })
    await told(/DISK_FULL|no space left/)
    const rejected = flow.start(undefined, { runId: 'later', tags: { much: 'x'.repeat(5_000) } })
    await expect(rejected).rejects.toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(path) })
    expect(await small.run('r').status()).toMatchObject({ status: expect.stringMatching(/running|suspended/) })
    await close(small)
    const roomy = await open()
    await filling(roomy, 100, done).start(undefined, { runId: 'r' })
    expect(await roomy.run('r').result()).toBe('written')
    // What was in hand when there was no space died with its process, and only that is made again.
    expect(done.filter((n, index) => done.indexOf(n) !== index).length).toBeLessThanOrEqual(1)
    expect([...new Set(done)]).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    await expect(roomy.run('later').status()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  onSmallDisk('for real: the run goes on by itself when there is room, and nothing is made twice', async (disk) => {
    const { logger, told } = listening()
    const done: number[] = []
    const selvage = await open({ url: `sqlite:${join(disk.folder, 'a.db')}`, logger })
    let filled = false
    const flow = selvage.workflow('filling', async (ctx) => {
      for (let n = 1; n <= 40; n++) {
        await ctx.step('write', () => {
          if (n === 20 && !filled) {
            filled = true
            disk.fill()
          }
          done.push(n)
          return String(n).padEnd(4_000, '.')
        })
      }
      return 'written'
    })
    const run = await flow.start()
    await told(/no space left/)
    disk.empty()
    expect(await run.result()).toBe('written')
    expect(done).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  })
})

onSmallDisk('a disk that is read-only is said to be so, and runs go on when it no longer is', async (disk) => {
  const url = `sqlite:${join(disk.folder, 'a.db')}`
  const flow = (on: Selvage) =>
    on.workflow('flow', async (ctx) => [await ctx.step('a', () => 1), await ctx.signal('go')])
  const before = await open({ url })
  const run = await flow(before).start(undefined, { runId: 'r' })
  for await (const event of run.events()) if (event.type === 'stepCompleted') break
  await close(before)
  disk.remount('ro')
  const readOnly = { code: 'READ_ONLY', message: expect.stringContaining(disk.folder) }
  await expect(open({ url })).rejects.toMatchObject(readOnly)
  await expect(open({ url: `sqlite:${join(disk.folder, 'new', 'b.db')}` })).rejects.toMatchObject(readOnly)
  disk.remount('rw')
  const after = await open({ url })
  flow(after)
  await after.work()
  await after.run('r').signal('go', 2)
  expect(await after.run('r').result()).toEqual([1, 2])
})

/** Skipped, with the reason printed, where this process may not mount. */
function onSmallDisk(title: string, body: (disk: SmallDisk) => Promise<void>): void {
  test(title, async ({ skip }) => {
    const disk = smallDisk(2 * 1024 * 1024)
    if (disk === undefined) {
      console.info(`"${title}" is skipped: this process may not mount a small disk`)
      return skip('this process may not mount a small disk')
    }
    try {
      await body(disk)
      await Promise.all(opened.splice(0).map((selvage) => selvage.close()))
    } finally {
      disk.remove()
    }
  })
}

describe('a number where a text belongs, as the id of a row, is refused where it is given', () => {
  const five = 5 as unknown as string
  const noText = { code: 'BAD_INPUT', message: expect.stringContaining('must be a text') }

  test('to a registration, a start, a signal, a session: nothing is begun', async () => {
    const selvage = await open()
    const idle = async (): Promise<void> => {}
    expect(() => selvage.workflow('flow', idle, { version: five })).toThrow(expect.objectContaining(noText))
    expect(() => selvage.workflow(five, idle)).toThrow(expect.objectContaining(noText))
    const flow = selvage.workflow('flow', idle)
    const tags = { a: five }
    for (const options of [{ runId: five }, { tenant: five }, { queue: five }, { tags }]) {
      await expect(flow.start(undefined, options)).rejects.toMatchObject(noText)
    }
    const run = await flow.start(undefined, { runId: 'r' })
    await run.result()
    await expect(run.signal(five)).rejects.toMatchObject(noText)
    await expect(run.signal('go', 1, { id: five })).rejects.toMatchObject(noText)
    await expect(selvage.runs({ tenant: five })).rejects.toMatchObject(noText)
    expect((await selvage.runs()).items).toMatchObject([{ id: 'r', status: 'completed' }])
  })

  test('to a context: that run fails, and those beside it go on', async () => {
    const selvage = await open()
    const nothing = undefined as unknown as () => void
    const asked: { readonly [what: string]: (ctx: Context) => Promise<unknown> } = {
      'step name': (ctx) => ctx.step(five, () => 1),
      'step key': (ctx) => ctx.step('a', () => 1, { key: five }),
      'transaction key': (ctx) => ctx.transaction('a', () => 1, { key: five }),
      'signal name': (ctx) => ctx.signal(five),
      'callback name': async (ctx) => ctx.callback(five).result,
      'approval name': (ctx) => ctx.approval(five),
      topic: (ctx) => ctx.send(five),
      child: (ctx) => ctx.child({} as never, undefined),
    }
    const beside = selvage.workflow('beside', async (ctx) => {
      for (let n = 0; n < 20; n++) await ctx.step('s', () => n)
      return 'well'
    })
    const others = await beside.start()
    for (const [what, body] of Object.entries(asked)) {
      const run = await selvage.workflow(what, body).start()
      await expect(run.result(), what).rejects.toMatchObject({ code: 'RUN_FAILED', cause: noText })
    }
    const empty = selvage.workflow('no body', (ctx) => ctx.step('a', nothing))
    await expect((await empty.start()).result()).rejects.toMatchObject({ cause: { code: 'BAD_INPUT' } })
    expect(() => selvage.workflow('none', nothing as never)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    expect(await others.result()).toBe('well')
  })
})
