/** Real processes, real signals: what a worker leaves behind when it is killed or stopped, and what another makes of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createHost, type Engine, type Host, type Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { embeddedEngine } from './index.ts'

const OPEN = `
  import { appendFileSync, existsSync } from 'node:fs'
  import { createHost } from '@selvage/core'
  import { nodeRuntime } from '@selvage/runtime-node'
  import { sqliteStore } from '@selvage/store-sqlite'
  import { embeddedEngine } from '@selvage/engine-embedded'
  const [path, name, leaseMs] = process.argv.slice(1)
  const runtime = nodeRuntime()
  const store = await sqliteStore({ path })
  const engine = embeddedEngine({ store, runtime, leaseMs: Number(leaseMs) })
  const hostOf = (program) =>
    createHost({ runtime, manifest: engine.manifest, programs: () => [program], outbound: engine })
`

/** Three steps; each writes a line to the ledger. The process called `slow` stays in the second one until it is told to go on. */
const WORKER = `${OPEN}
  const ledger = path + '-ledger'
  const three = { name: 'three', resume: 'replay', run: async (durable) => {
    const step = (key, body) => durable.step({ key, kind: 'code', name: key }, async () => {
      appendFileSync(ledger, name + ' ' + key + '\\n')
      console.log(key)
      await body?.()
      return name
    })
    const first = await step('one')
    const second = await step('two', async () => {
      while (name === 'slow' && !existsSync(ledger + '-go')) await new Promise((resolve) => setTimeout(resolve, 5))
    })
    return [first, second, await step('three')]
  } }
  process.on('SIGTERM', async () => {
    console.log('stopping')
    await worker.stop()
    console.log('stopped')
  })
  const worker = await engine.serve(hostOf(three))
  console.log('serving')
`

/** Attaches to a run that waits. The process called `staying` has something else to live for. */
const ATTACHED = `${OPEN}
  const ask = { name: 'ask', resume: 'replay', run: async (durable) => (await durable.wait('ask', 'answer')).value }
  await engine.attach('r', { program: 'ask', input: null }, hostOf(ask))
  console.log('attached')
  if (name === 'staying') setInterval(() => {}, 1_000)
`

let folder: string
let path: string
const children: ChildProcess[] = []
const engines: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-'))
  path = join(folder, 'db')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true })
})

interface Child {
  readonly process: ChildProcess
  /** Resolves when the child has written that line. */
  says(line: string): Promise<void>
  readonly exited: Promise<number | null>
}

const spawnWorker = (name: string, leaseMs?: number): Child => spawnChild(WORKER, name, leaseMs)

function spawnChild(script: string, name: string, leaseMs = 15_000): Child {
  const args = ['--conditions=@selvage/source', '--input-type=module', '--eval', script, path, name, String(leaseMs)]
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const said = new Set<string>()
  const waiting = new Map<string, () => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.add(line)
    waiting.get(line)?.()
  })
  return {
    process: child,
    says: (line) => (said.has(line) ? Promise.resolve() : new Promise((resolve) => void waiting.set(line, resolve))),
    exited: new Promise((resolve) => child.on('exit', resolve)),
  }
}

async function place(programs: readonly Program[] = []): Promise<{ engine: Engine; host: Host }> {
  const runtime = nodeRuntime()
  const store = await sqliteStore({ path })
  const engine = embeddedEngine({ store, runtime })
  engines.push(engine)
  return {
    engine,
    host: createHost({ runtime, manifest: engine.manifest, programs: () => programs, outbound: engine }),
  }
}

async function outcome(engine: Engine): Promise<unknown> {
  for (;;) {
    const run = await engine.describe('r')
    if (run.outcome !== undefined) return run.outcome
    await engine.changed('r', { entries: run.entries, status: run.status })
  }
}

/** Lets the process called `slow` out of its step. */
const goOn = (): void => writeFileSync(`${path}-ledger-go`, '')

const ledger = (): string[] => readFileSync(`${path}-ledger`, 'utf8').trim().split('\n')

const START = { program: 'three', input: null }

describe('a worker that is killed', () => {
  it('is followed by the next one at once, not at the end of its lease, at the step that was in flight', async () => {
    const { engine } = await place()
    await engine.start('r', START)
    for (const name of ['slow', 'slow', 'slow', 'next']) {
      // Whoever waited for it would not come to `two` within this test.
      const child = spawnWorker(name, 3_600_000)
      await child.says('two')
      if (name === 'next') break
      child.process.kill('SIGKILL')
      await child.exited
    }
    expect(await outcome(engine)).toEqual({ ok: ['slow', 'next', 'next'] })
    expect(ledger()).toEqual(['slow one', 'slow two', 'slow two', 'slow two', 'next two', 'next three'])
    expect((await engine.journal('r', 0)).map((entry) => entry.type)).toEqual(['start', 'step', 'step', 'step', 'end'])
  })

  it('is told to be dead before anybody takes its runs over, and to have had them afterwards', async () => {
    const { engine } = await place()
    const killed = spawnWorker('slow')
    await engine.start('r', START)
    await killed.says('two')
    const { pid } = killed.process
    expect(await engine.describe('r', { claims: true, liveness: true })).toMatchObject({
      status: 'running',
      owner: { pid, alive: true },
      claims: [{ pid, from: 1 }],
    })
    killed.process.kill('SIGKILL')
    await killed.exited
    const dead = await engine.describe('r', { liveness: true })
    expect(dead).toMatchObject({ status: 'running', owner: { pid, alive: false } })
    expect(await engine.list?.({})).toMatchObject({ items: [{ id: 'r', owner: { pid, alive: false } }] })
    const next = spawnWorker('next')
    await outcome(engine)
    const { claims } = await engine.describe('r', { claims: true })
    expect(claims).toMatchObject([
      { pid, from: 1 },
      { pid: next.process.pid, from: 2, recoveredFrom: dead.owner?.worker },
    ])
    expect(await engine.describe('r')).not.toHaveProperty('claims')
  })

  it('is noticed by one that was serving all along', async () => {
    const { engine } = await place()
    // Nobody waits for the end of such a lease within this test.
    const killed = spawnWorker('slow', 3_600_000)
    await engine.start('r', START)
    await killed.says('two')
    const standby = spawnWorker('standby', 3_600_000)
    await standby.says('serving')
    killed.process.kill('SIGKILL')
    expect(await outcome(engine)).toEqual({ ok: ['slow', 'standby', 'standby'] })
  })
})

describe('a worker that stands still', () => {
  it('cannot write once its lease was taken, and works on as somebody else', async () => {
    const { engine } = await place()
    const frozen = spawnWorker('slow', 400)
    await engine.start('r', START)
    await frozen.says('two')
    frozen.process.kill('SIGSTOP')
    const next = spawnWorker('next')
    expect(await outcome(engine)).toEqual({ ok: ['slow', 'next', 'next'] })
    const entries = await engine.journal('r', 0)
    goOn()
    frozen.process.kill('SIGCONT')
    next.process.kill('SIGTERM')
    await next.exited
    // It has finished its step by the time it can do another run, and that step is nowhere.
    await engine.start('again', START)
    for (let run = await engine.describe('again'); run.status !== 'completed'; run = await engine.describe('again')) {
      await engine.changed('again', { entries: run.entries, status: run.status })
    }
    expect((await engine.describe('again')).outcome).toEqual({ ok: ['slow', 'slow', 'slow'] })
    expect(await engine.journal('r', 0)).toEqual(entries)
    expect(ledger().slice(0, 4)).toEqual(['slow one', 'slow two', 'next two', 'next three'])
  })
})

describe('a worker that is asked to stop', () => {
  it('gives its runs back at the next durable point, and lets the process end', async () => {
    const { engine } = await place()
    const worker = spawnWorker('slow')
    await engine.start('r', START)
    await worker.says('two')
    worker.process.kill('SIGTERM')
    await worker.says('stopping')
    goOn()
    await worker.says('stopped')
    expect(await worker.exited).toBe(0)
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', entries: 3, crashes: 0 })
    spawnWorker('next')
    expect(await outcome(engine)).toEqual({ ok: ['slow', 'slow', 'next'] })
  })

  it('keeps the process alive until then', async () => {
    const worker = spawnWorker('slow')
    await worker.says('serving')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(worker.process.exitCode).toBeNull()
  })
})

describe('an attached process', () => {
  it('is not kept alive by a program that waits', async () => {
    const child = spawnChild(ATTACHED, 'leaving')
    expect(await child.exited).toBe(0)
  })

  it('holds the run against others until it dies, however it dies', async () => {
    const ask: Program = {
      name: 'ask',
      resume: 'replay',
      run: async (durable) => (await durable.wait('ask', 'answer')) && 'answered',
    }
    const { engine, host } = await place([ask])
    const attach = (): ReturnType<NonNullable<Engine['attach']>> => {
      if (engine.attach === undefined) throw new Error('the embedded engine can attach')
      return engine.attach('r', { program: 'ask', input: null }, host)
    }
    const child = spawnChild(ATTACHED, 'staying')
    await child.says('attached')
    await expect(attach()).rejects.toMatchObject({
      code: 'RUN_HELD',
      message: expect.stringContaining(`process ${child.process.pid} `),
    })
    child.process.kill('SIGKILL')
    await child.exited
    const { ended } = await attach()
    const { claims } = await engine.describe('r', { claims: true })
    expect(claims).toMatchObject([{ pid: child.process.pid }, { pid: process.pid, recoveredFrom: expect.any(String) }])
    await engine.signal('r', { id: 's', name: 'answer', payload: null })
    expect(await ended).toEqual({ ok: 'answered' })
  })
})
