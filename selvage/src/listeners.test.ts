/** What importing and opening leaves of a process: how it ends is its author's affair. Real processes on the built package. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-listeners-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A process that works, with a durable agent, and sleeps. */
const WORKING = `
  const { Agent } = await import('@strands-agents/sdk')
  const before = process.eventNames().map(String)
  const { durable, openSelvage } = await import(${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))})
  const { ScriptedModel } = await import('@selvage/strands/testing')
  const selvage = await openSelvage({ url: ${JSON.stringify('sqlite:')} + process.argv[1] })
  selvage.workflow('nap', (ctx) => ctx.sleep('1h'))
  await selvage.work()
  await new Agent({ model: new ScriptedModel(['Done.']), printer: false, plugins: [durable({ runId: 'r', selvage })] }).invoke('a')`

async function ends(script: string): Promise<{ readonly out: string; readonly end: readonly unknown[] }> {
  const source = `${WORKING}\n${script}\nconsole.log('ready')\nsetTimeout(() => {}, 60_000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source, join(folder, 'a.db')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: import.meta.dirname,
  })
  let out = ''
  child.stdout.on('data', (text) => {
    const isReady = !out.includes('ready') && `${out}${text}`.includes('ready')
    out += text
    if (isReady) child.kill('SIGTERM')
  })
  const end = await once(child, 'close')
  return { out, end }
}

test('nobody listens to signals, and a signal ends it as if we were not there', async () => {
  const { out, end } = await ends(`console.log(JSON.stringify({ before, after: process.eventNames().map(String) }))`)
  const { before, after } = JSON.parse(out.split('\n')[0] ?? '')
  // Where a socket for readers of chunks lies, it is taken away; that ends nothing.
  expect(after).toEqual([...before, 'exit'])
  expect(end).toEqual([null, 'SIGTERM'])
}, 30_000)

test('a signal is heard by its author, who closes in peace', async () => {
  const { out, end } = await ends(`process.once('SIGTERM', async () => {
    await selvage.close()
    console.log('closed')
    process.exit(7)
  })`)
  expect(out).toContain('closed')
  expect(end).toEqual([7, null])
}, 30_000)
