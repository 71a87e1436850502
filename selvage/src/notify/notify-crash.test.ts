/** Notices under SIGKILL: nobody is left untold, each run's in order, and what is told twice has the same id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProbeName } from '@selvage/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openSelvage, type Selvage } from '../core.ts'

vi.setConfig({ testTimeout: 120_000 })

const MODULE = join(import.meta.dirname, '../../test/notify-process.ts')
const EVENTS = ['run.started', 'question.opened', 'question.answered', 'run.completed'] as const

let folder: string
let selvage: Selvage
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-notify-'))
  // What happens is told from the first subscription on: here before there is a worker.
  const notify = [{ name: 'file', events: EVENTS, deliver: () => {} }]
  selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, work: false, notify })
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

function worker(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=@selvage/source', MODULE, folder, ...args], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  children.push(child)
  return child
}

interface Told {
  readonly id: string
  readonly type: string
  readonly runId: string
  readonly question?: string
}

function lines<T>(file: string, read: (line: string) => T): T[] {
  const path = join(folder, file)
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').map(read) : []
}

const told = (): Told[] => lines('told', (line) => JSON.parse(line) as Told)

/** What was told again stands once. */
function distinct(all: readonly Told[]): Told[] {
  return [...new Map(all.map((one) => [one.id, one])).values()]
}

const PLACES: readonly [ProbeName, number][] = [
  ['store.after-commit', 5],
  ['engine.after-claim-message', 1],
  ['engine.after-delivery', 1],
  ['engine.after-delivery', 5],
  ['engine.after-settle-message', 2],
]

/** Answers every question as soon as it is asked, until told to stop. */
function answering(): () => Promise<void> {
  let over = false
  const done = (async () => {
    while (!over) {
      const { items } = await selvage.approvals()
      for (const { id, runId } of items) await selvage.run(runId).approve(id, { by: 'ann' })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  return () => {
    over = true
    return done
  }
}

test.each(PLACES)('a worker that dies at %s (%i): everybody is told all the same', async (probe, hit) => {
  const dying = worker(probe, String(hit))
  const dead = once(dying, 'exit')
  const runIds = ['a', 'b', 'c']
  for (const runId of runIds) await selvage.reference('pay').start(undefined, { runId })
  const stop = answering()
  expect((await dead)[1]).toBe('SIGKILL')
  worker()
  for (const runId of runIds) expect(await selvage.run(runId).result()).toBe(true)
  await stop()
  await vi.waitFor(
    () => {
      for (const runId of runIds) {
        const own = distinct(told().filter((one) => one.runId === runId))
        expect(own.map(({ type }) => type)).toEqual(EVENTS)
      }
    },
    { timeout: 30_000 },
  )
  // Told twice is at most what was being told when the worker died.
  expect(told().length).toBeLessThanOrEqual(distinct(told()).length + 3)
})
