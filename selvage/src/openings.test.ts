/** Which opening of a database works on a run: the one that has begun to, and none that was replaced. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OpenOptions, openSelvage, type Selvage } from './index.ts'

let folder: string
let url: string
let warned: string[]
const opened: Selvage[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-openings-'))
  url = `sqlite:${join(folder, 'a.db')}`
  warned = []
})

afterEach(async () => {
  for (const selvage of opened.splice(0)) await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: OpenOptions = {}): Promise<Selvage> {
  const logger = { info: () => {}, warn: (line: string) => void warned.push(line), error: () => {} }
  const selvage = await openSelvage({ url, logger, ...options })
  opened.push(selvage)
  return selvage
}

const greet = (selvage: Selvage, version = '1') => selvage.workflow('greet', () => 'hello', { version })

describe('a database that is opened again in one process', () => {
  test('with a program that the first opening has: it is said once', async () => {
    const before = await open()
    greet(before)
    greet(before, '2')
    const after = await open()
    greet(after)
    greet(after, '2')
    greet(await open())
    expect(warned).toEqual([expect.stringMatching(/a\.db is open twice in this process with the program 'greet'/)])
  })

  test('is nothing to speak of where the first was closed, has other programs, never works, or is in memory', async () => {
    const before = await open()
    greet(before)
    void before.close()
    greet(await open(), '2')
    greet(await open())
    greet(await open({ work: false }))
    for (const _ of [1, 2]) greet(await open({ url: 'sqlite::memory:' }))
    expect(warned).toEqual([])
  })
})

describe('a run that another process has left', () => {
  beforeEach(async () => {
    await using elsewhere = await openSelvage({ url, work: false })
    await elsewhere.reference('greet', { version: '1' }).start(undefined, { runId: 'r' })
  })

  test('goes on in a process that has its program, once that waits for its result', async () => {
    const selvage = await open()
    const program = greet(selvage)
    expect((await selvage.run('r').status()).status).toBe('pending')
    expect(await program.run('r').result()).toBe('hello')
  })

  test('… or follows its events', async () => {
    const selvage = await open()
    greet(selvage)
    const seen: string[] = []
    for await (const { type } of selvage.run('r').events()) seen.push(type)
    expect(seen.at(-1)).toBe('runCompleted')
  })

  test('… or starts another one by its name', async () => {
    const selvage = await open()
    greet(selvage)
    const other = await selvage.reference('greet', { version: '1' }).start()
    expect(await other.result()).toBe('hello')
  })

  test.each([
    ['has another version of it', {}, '2'],
    ['was opened with work: false', { work: false }, '1'],
  ])('stays as it is while who waits %s', async (_, options, version) => {
    const selvage = await open(options)
    greet(selvage, version)
    await expectPending(selvage, 'r')
  })

  test('stays as it is while who waits was told to work no more', async () => {
    const selvage = await open()
    const working = await selvage.work()
    greet(selvage)
    await working.stop()
    await expectPending(selvage, 'r')
  })
})

async function expectPending(selvage: Selvage, runId: string): Promise<void> {
  const abortSignal = AbortSignal.timeout(300)
  await expect(selvage.run(runId).result({ abortSignal })).rejects.toMatchObject({ name: 'TimeoutError' })
  expect((await selvage.run(runId).status()).status).toBe('pending')
}
