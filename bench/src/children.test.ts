import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { asWorkload, forkChild } from './children.ts'

let folder: string
let program: URL
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-bench-test-'))
  const file = join(folder, 'stands-still.mjs')
  writeFileSync(file, "process.on('message', () => {}); process.send('there')")
  program = pathToFileURL(file)
})
afterEach(() => rmSync(folder, { recursive: true }))

it('a workload that hangs is given up: its child is killed, and it gets no other', async () => {
  const ended: Promise<unknown>[] = []
  const { promise: late, resolve: go } = Promise.withResolvers<void>()
  const { promise: refused, resolve: tell } = Promise.withResolvers<unknown>()
  const given = asWorkload('hanging', 300, async () => {
    const child = forkChild(program, [])
    ended.push(once(child, 'exit'))
    await late
    try {
      forkChild(program, [])
      tell('it was let go on')
    } catch (error) {
      tell(error)
      throw error
    }
  })
  await expect(given).rejects.toThrow('the workload "hanging" took longer than')
  expect(await ended[0]).toEqual([null, 'SIGKILL'])
  go()
  expect(await refused).toMatchObject({ message: 'the workload was given up' })
})

it('a workload that ends leaves no child behind', async () => {
  let ended: Promise<unknown> | undefined
  const value = await asWorkload('careless', 60_000, async () => {
    const child = forkChild(program, [])
    ended = once(child, 'exit')
    await once(child, 'message')
    return 7
  })
  expect(value).toBe(7)
  expect(await ended).toEqual([null, 'SIGKILL'])
})
