/** A reader in one process, the worker in another: real processes on the built package. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSelvage } from '../core.ts'
import type { RunEvent } from '../events/event.ts'
import { placeOf, socketsIn } from './place.ts'

let folder: string
let url: string
const workers: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-live-'))
  url = `sqlite:${join(folder, 'a.db')}`
})

afterEach(async () => {
  for (const worker of workers.splice(0)) {
    if (worker.exitCode !== null || worker.signalCode !== null) continue
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  }
  const place = placeOf(join(folder, 'a.db'))
  if (place !== undefined) rmSync(place, { recursive: true, force: true })
  rmSync(folder, { recursive: true, force: true })
})

/** Says what it is told until it is told to go. Then 200 words at once, what it is told, 200 words; then another step. */
const WORKER = `
  import { createInterface } from 'node:readline'
  const [core, url] = process.argv.slice(1)
  const { openSelvage } = await import(core)
  const selvage = await openSelvage({ url })
  const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  selvage.workflow('write', async (ctx) => {
    await ctx.step('hello', async (at) => {
      for (let line = await told.next(); line.value !== 'go'; line = await told.next()) at.emit(line.value)
    })
    const text = await ctx.step('draft', async (at) => {
      for (let n = 0; n < 200; n++) at.emit('w' + n)
      for (let line = await told.next(); line.value !== 'end'; line = await told.next()) {
        if (line.value !== 'ping') at.emit(line.value)
      }
      for (let n = 0; n < 200; n++) at.emit('z' + n)
      return 'drafted'
    })
    return ctx.step('polish', async (at) => {
      at.emit('shine')
      await told.next()
      return text
    })
  })
  await selvage.work()
  console.log('works')`

async function worker(): Promise<{ tell(line: string): void; process: ChildProcess }> {
  const core = join(import.meta.dirname, '../../dist/core.js')
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WORKER, core, url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  workers.push(child)
  await once(child.stdout, 'data')
  return { tell: (line) => void child.stdin.write(`${line}\n`), process: child }
}

function told(event: RunEvent): string {
  if (event.type === 'chunk') return `${event.step}: ${event.chunk}`
  return 'step' in event && event.step !== undefined ? `${event.type} ${event.step}` : event.type
}

async function until(
  events: AsyncGenerator<RunEvent, void>,
  isLast: (word: string) => boolean,
): Promise<{ words: string[]; cursor: string }> {
  const words: string[] = []
  for (;;) {
    const { value } = await events.next()
    if (value === undefined) throw new Error(`The run has ended: ${words.slice(-5).join(', ')}`)
    words.push(told(value))
    if (isLast(told(value))) return { words, cursor: value.cursor }
  }
}

/** A reader hears a worker from when it is connected, which nobody can see: it is spoken to until it hears. */
async function connect(events: AsyncGenerator<RunEvent, void>, tell: (line: string) => void): Promise<void> {
  const repeat = setInterval(() => tell('ping'), 10)
  try {
    await until(events, (word) => word === 'hello: ping')
  } finally {
    clearInterval(repeat)
  }
  tell('go')
  await until(events, (word) => word === 'stepCompleted hello')
}

const words = (letter: string): string[] => Array.from({ length: 200 }, (_, n) => `draft: ${letter}${n}`)

test('a reader is told what a step emits in another process, all of it before its result, none of it behind', async () => {
  const selvage = await openSelvage({ url, work: false })
  await selvage.reference('write').start(null, { runId: 'r' })
  const { tell } = await worker()
  const events = selvage.run('r').events()
  await connect(events, tell)
  const begun = await until(events, (word) => word === 'draft: w199')
  expect(begun.words).toEqual(['stepStarted draft', ...words('w')])

  tell('more')
  expect((await until(events, () => true)).words).toEqual(['draft: more'])
  tell('end')
  expect((await until(events, (word) => word === 'polish: shine')).words).toEqual([
    ...words('z'),
    'stepCompleted draft',
    'stepStarted polish',
    'polish: shine',
  ])
  tell('')
  expect((await until(events, (word) => word === 'runCompleted')).words).toEqual([
    'stepCompleted polish',
    'runCompleted',
  ])
  await selvage.close()
})

test('a reader that comes back goes on behind its cursor, and hears of no step that it has seen the result of', async () => {
  const selvage = await openSelvage({ url, work: false })
  await selvage.reference('write').start(null, { runId: 'r' })
  const { tell } = await worker()
  const first = selvage.run('r').events()
  await connect(first, tell)
  const { cursor } = await until(first, (word) => word === 'draft: w199')
  await first.return()

  const second = selvage.run('r').events({ after: cursor })
  const next = until(second, (word) => word === 'stepCompleted draft')
  tell('end')
  const { words: heard, cursor: behind } = await next
  // What was emitted while nobody listened is in the result.
  expect(heard.slice(0, -1).every((word) => word.startsWith('draft: z'))).toBe(true)
  await second.return()

  const third = selvage.run('r').events({ after: behind })
  tell('')
  const { words: rest } = await until(third, (word) => word === 'runCompleted')
  expect(rest.filter((word) => !['stepStarted polish', 'polish: shine'].includes(word))).toEqual([
    'stepCompleted polish',
    'runCompleted',
  ])
  await selvage.close()
})

test('a reader hears the worker that takes a run over, and the socket of the dead one is taken away', async () => {
  const selvage = await openSelvage({ url, work: false })
  await selvage.reference('write').start(null, { runId: 'r' })
  const { tell: tellFirst, process: first } = await worker()
  const events = selvage.run('r').events()
  await connect(events, tellFirst)
  await until(events, (word) => word === 'draft: w199')
  first.kill('SIGKILL')
  await once(first, 'exit')

  const { tell } = await worker()
  await until(events, (word) => word === 'runRecovered')
  const repeat = setInterval(() => tell('here'), 10)
  await until(events, (word) => word === 'draft: here')
  clearInterval(repeat)
  expect(socketsIn(placeOf(join(folder, 'a.db')) ?? '')).toHaveLength(1)
  tell('end')
  const { words: heard } = await until(events, (word) => word === 'polish: shine')
  expect(heard.filter((word) => word !== 'draft: here')).toEqual([
    ...words('z'),
    'stepCompleted draft',
    'stepStarted polish',
    'polish: shine',
  ])
  tell('')
  await until(events, (word) => word === 'runCompleted')
  await selvage.close()
})

test('a process that ends without closing takes its socket with it', async () => {
  const core = join(import.meta.dirname, '../../dist/core.js')
  const source = `
    const { openSelvage } = await import(process.argv[1])
    const selvage = await openSelvage({ url: process.argv[2] })
    await selvage.work()
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source, core, url], { stdio: 'inherit' })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(socketsIn(placeOf(join(folder, 'a.db')) ?? '')).toEqual([])
})

test('whoever leaves last takes away where they met', async () => {
  const database = join(folder, 'a.db')
  const place = placeOf(database) ?? ''
  const selvage = await openSelvage({ url })
  const run = await selvage.workflow('quick', () => 'done').start(null)
  for await (const _ of run.events());
  expect(socketsIn(place)).toHaveLength(1)
  await selvage.close()
  while (existsSync(place)) await new Promise((resolve) => setImmediate(resolve))
})
