import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type Durable, type Engine, type Host, type Program, type Start, type Store } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { embeddedEngine } from './index.ts'

const START: Start = { program: 'inline:agent', input: null }

let folder: string
const opened: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true })
})

interface Place {
  readonly engine: Engine
  readonly host: Host
  readonly store: Store
}

/** An engine with a host that knows one program. */
async function place(run: (durable: Durable) => Promise<unknown>, leaseMs = 15_000): Promise<Place> {
  const runtime = nodeRuntime()
  const store = await sqliteStore({ path: join(folder, 'db'), durability: 'normal' })
  const engine = embeddedEngine({ store, runtime, leaseMs, stopGraceMs: 200 })
  opened.push(engine)
  const programs: Program[] = [{ name: START.program, resume: 'replay', run }]
  const host = createHost({ runtime, manifest: engine.manifest, programs: () => programs, outbound: engine })
  return { engine, host, store }
}

function attach({ engine, host }: Place, runId = 'r'): Promise<import('@selvage/core').Attachment> {
  if (engine.attach === undefined) throw new Error('the embedded engine can attach')
  return engine.attach(runId, START, host)
}

const ask = async (durable: Durable): Promise<unknown> => {
  const answer = await durable.wait<string>('ask', 'answer')
  return answer.ok ? answer.value : 'nobody'
}

describe('attach', () => {
  it('runs a run to its end in this process, and finds an ended one ended', async () => {
    const here = await place((durable) => durable.step({ key: 's', kind: 'code', name: 's' }, () => 'done'))
    const { ended } = await attach(here)
    expect(await ended).toEqual({ ok: 'done' })
    expect(await here.engine.describe('r')).toMatchObject({ status: 'completed', program: 'inline:agent' })
    expect(await (await attach(here)).ended).toEqual({ ok: 'done' })
  })

  it('waits for a signal of this process', async () => {
    const here = await place(ask)
    const { ended } = await attach(here)
    await here.engine.signal('r', { id: 's', name: 'answer', payload: 'local' })
    expect(await ended).toEqual({ ok: 'local' })
  })

  it('waits for a signal of another process, idle or not', async () => {
    const here = await place(ask)
    const there = await place(ask)
    const { ended } = await attach(here)
    // Long enough that the program waits, without anything to see from outside: it holds the run meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await there.engine.describe('r')).status).toBe('running')
    await there.engine.signal('r', { id: 's', name: 'answer', payload: 'remote' })
    expect(await ended).toEqual({ ok: 'remote' })
  })

  it('of thousands, looks only where another process has sent something', async () => {
    const here = await place(ask)
    const there = await place(ask)
    const { pendingSignals } = here.store
    const ids = Array.from({ length: 600 }, (_, n) => `r${n}`)
    const attached = new Map<string, Awaited<ReturnType<typeof attach>>>()
    for (const id of ids) attached.set(id, await attach(here, id))
    // Each is idle once it has looked: only then it is counted.
    await expect.poll(async () => (await here.engine.describe('r599')).entries, { timeout: 10_000 }).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const looked: string[] = []
    Object.assign(here.store, {
      pendingSignals: (runId: string) => {
        looked.push(runId)
        return pendingSignals(runId)
      },
    })
    for (const id of ['r3', 'r599', 'r42']) {
      await there.engine.signal(id, { id: 's', name: 'answer', payload: id })
      expect(await attached.get(id)?.ended).toEqual({ ok: id })
    }
    expect(new Set(looked)).toEqual(new Set(['r3', 'r599', 'r42']))
  }, 30_000)

  it('waits for time', async () => {
    const here = await place((durable) => durable.wait('nap', '$nobody', durable.clock() + 60))
    const { ended } = await attach(here)
    expect(await ended).toMatchObject({ ok: { ok: false } })
  })

  it('goes on when the program asks for something on its own', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const here = await place(async (durable) => {
      void durable.wait('never', 'never')
      await promise
      return await durable.step({ key: 'late', kind: 'code', name: 'late' }, () => 'late')
    })
    const { ended } = await attach(here)
    setTimeout(resolve, 50)
    expect(await ended).toEqual({ ok: 'late' })
  })

  it('is refused while another engine of this process holds the run, and says that it is this one', async () => {
    const here = await place(ask)
    const there = await place(ask)
    const attachment = await attach(here)
    await expect(attach(there)).rejects.toMatchObject({
      code: 'RUN_HELD',
      message: `Run r is running in this very process (${process.pid}). Give each agent a run id of its own; or let the first one finish and give the run up: plugin.detach().`,
      details: { runId: 'r', pid: process.pid },
    })
    await expect(attach(here)).rejects.toMatchObject({ code: 'RUN_HELD', details: { pid: process.pid } })
    await attachment.detach()
    const { ended } = await attach(there)
    await here.engine.signal('r', { id: 's', name: 'answer', payload: 'there' })
    expect(await ended).toEqual({ ok: 'there' })
  })

  it('is refused for a run of another program', async () => {
    const here = await place(ask)
    await here.engine.start('r', { program: 'other', input: null })
    await expect(attach(here)).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
  })

  it('gives the run back as pending when it is detached, and takes it up where it was', async () => {
    let made = 0
    const here = await place(async (durable) => {
      await durable.step({ key: 's', kind: 'code', name: 's' }, () => ++made)
      return await ask(durable)
    })
    const first = await attach(here)
    while ((await here.engine.describe('r')).steps === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await first.detach()
    expect((await here.engine.describe('r')).status).toBe('pending')
    const { ended } = await attach(here)
    await here.engine.signal('r', { id: 's', name: 'answer', payload: 'x' })
    expect(await ended).toEqual({ ok: 'x' })
    expect(made).toBe(1)
  })

  it('loses a run whose lease ran out, and says so', async () => {
    const here = await place(ask, 150)
    const there = await place(ask)
    const { heartbeat } = here.store
    Object.assign(here.store, { heartbeat: async () => {} })
    const first = await attach(here)
    await expect.poll(() => there.store.reap(Date.now()), { timeout: 10_000 }).toBe(1)
    const second = await attach(there)
    Object.assign(here.store, { heartbeat })
    await expect(first.ended).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await here.engine.signal('r', { id: 's', name: 'answer', payload: 'x' })
    expect(await second.ended).toEqual({ ok: 'x' })
  })

  it('can be cancelled', async () => {
    const here = await place(ask)
    const { ended } = await attach(here)
    await here.engine.cancel('r', 'enough')
    expect(await ended).toEqual({ cancelled: 'enough' })
  })

  it('tells of infrastructure that failed, and can be done again', async () => {
    const here = await place((durable) => durable.step({ key: 's', kind: 'code', name: 's' }, () => 'done'))
    const { append } = here.store
    Object.assign(here.store, { append: () => Promise.reject(new Error('the disk is gone')) })
    const { ended } = await attach(here)
    await expect(ended).rejects.toThrow('the disk is gone')
    Object.assign(here.store, { append })
    expect(await (await attach(here)).ended).toEqual({ ok: 'done' })
  })
})
