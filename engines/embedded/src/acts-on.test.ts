/** What a worker that was asked to stop had begun, and goes on with behind its grace, is not made beside it by the next one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, Program } from '@selvage/core'
import { createHost } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { embeddedEngine } from './index.ts'

let folder: string
const engines: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-acts-on-'))
})
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

async function serving(live: () => Promise<string>) {
  const runtime = nodeRuntime()
  const store = await sqliteStore({ path: join(folder, 'db') })
  const engine = embeddedEngine({ store, runtime, stopGraceMs: 0 })
  engines.push(engine)
  const charge: Program = {
    name: 'charge',
    resume: 'replay',
    run: (durable) =>
      durable
        .step({ key: 'charge', kind: 'code', name: 'charge', effect: 'once' }, live, {
          reconcile: () => ({ done: false }),
        })
        .catch((error: { readonly code?: string }) => error.code),
  }
  const host = createHost({ runtime, manifest: engine.manifest, programs: () => [charge], outbound: engine })
  return { engine, worker: await engine.serve(host) }
}

it('an effect once', async () => {
  const begun = Promise.withResolvers<void>()
  const given = Promise.withResolvers<void>()
  const first = await serving(async () => {
    begun.resolve()
    await given.promise
    return 'charged'
  })
  await first.engine.start('r', { program: 'charge', input: null })
  await begun.promise
  await first.worker.stop()
  await first.engine.close()

  let again = 0
  const { engine } = await serving(async () => `charged ${++again} times more`)
  for (let run = await engine.describe('r'); run.outcome === undefined; run = await engine.describe('r')) {
    await engine.changed('r', { status: run.status })
  }
  expect((await engine.describe('r')).outcome).toEqual({ ok: 'OUTCOME_UNKNOWN' })
  expect(again).toBe(0)
  given.resolve()
})
