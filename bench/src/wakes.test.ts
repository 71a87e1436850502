import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { wakesOf } from './wakes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-bench-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A process that is open at once, and does that with each request. */
function program(name: string, body: string): ReturnType<typeof fork> {
  const file = join(folder, `${name}.mjs`)
  writeFileSync(file, `process.on('message', (request) => { ${body} }); process.send('open')`)
  return fork(file)
}

it('a process is asked round by round, and a signal that woke nobody is null', async () => {
  const wakes = await wakesOf(program('one', 'process.send([request.round, null].slice(0, request.count))'))
  expect(await wakes.wake(2)).toEqual([0, null])
  expect(await wakes.wake(2)).toEqual([1, null])
  await expect(wakes.wake(3)).rejects.toThrow('3 were sent, 2 were heard')
  wakes.end()
})

it('who sends is told when the run of that round is there', async () => {
  const worker = program('worker', "process.send('listening'); setTimeout(() => process.send([7]), 20)")
  const sender = program('sender', 'process.send(request)')
  const asked = once(sender, 'message').then(() => once(sender, 'message'))
  const wakes = await wakesOf(worker, sender)
  expect(await wakes.wake(1)).toEqual([7])
  expect((await asked)[0]).toEqual({ round: 0, count: 1 })
  wakes.end()
})

it('a process that ends is told of', async () => {
  const wakes = await wakesOf(program('ends', 'process.exit(3)'))
  await expect(wakes.wake(1)).rejects.toThrow('it ended with code 3')
})
