import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { explains } from './compare.ts'

const run = promisify(execFile)
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A checkout with tests of ours that are laid out, and import, as the SDK's do. */
function checkout(place: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-checkout-'))
  folders.push(folder)
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, place, path)), { recursive: true })
    writeFileSync(join(folder, place, path), text)
  }
  write('agent/agent.ts', 'throw new Error("the sources of the checkout are not what is tested")\n')
  write(
    '__fixtures__/echo-model.ts',
    `import { Model } from '../models/model.js'
import type { ModelStreamEvent } from '../models/streaming.js'
export class EchoModel extends Model<{ modelId: string }> {
  calls = 0
  updateConfig(): void {}
  getConfig(): { modelId: string } { return { modelId: 'echo' } }
  async *stream(): AsyncGenerator<ModelStreamEvent> {
    this.calls++
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    yield { type: 'modelContentBlockStartEvent' }
    yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text: 'echo ' + this.calls } }
    yield { type: 'modelContentBlockStopEvent' }
    yield { type: 'modelMessageStopEvent', stopReason: 'endTurn' }
  }
}
`,
  )
  write(
    'agent/__tests__/agent.test.ts',
    `import { describe, expect, it, vi } from 'vitest'
import { Agent } from '../agent.js'
import { EchoModel } from '../../__fixtures__/echo-model.js'
import { TextBlock } from '../../index.js'
import { ConversationManager } from '../../conversation-manager/conversation-manager.js'
describe('Agent', () => {
  it('answers', async () => {
    const model = new EchoModel()
    const agent = new Agent({ model, printer: false })
    expect(agent).toBeInstanceOf(Agent)
    expect(Agent.name).toBe('Agent')
    const result = await agent.invoke('hello')
    expect(result.lastMessage.content[0]).toBeInstanceOf(TextBlock)
    await agent.invoke('again')
    expect(agent.messages).toHaveLength(4)
    expect(model.calls).toBe(2)
  })
  it('answers while time stands still', async () => {
    vi.useFakeTimers()
    try {
      expect((await new Agent({ model: new EchoModel(), printer: false }).invoke('hi')).stopReason).toBe('endTurn')
    } finally {
      vi.useRealTimers()
    }
  })
  it('is refused by Selvage', async () => {
    const agent = new Agent({ model: new EchoModel(), printer: false, checkpointing: true })
    expect((await agent.invoke('hi')).stopReason).toBe('endTurn')
  })
  it('is broken with the gate and without', () => expect(1).toBe(2))
})
`,
  )
  write(
    'agent/__tests__/elsewhere.test.ts',
    "import 'a-package-that-only-the-checkout-has'\nimport { it } from 'vitest'\nit('says nothing', () => {})\n",
  )
  write('__fixtures__/before.ts', 'globalThis.isSetUp = true\n')
  write(
    'agent/__tests__/set-up.test.ts',
    "import { expect, it } from 'vitest'\nit('is', () => expect(globalThis.isSetUp).toBe(true))\n",
  )
  write(
    '../vitest.config.ts',
    `import { playwright } from 'a-browser'
export default { test: { projects: [
  { test: { setupFiles: ['./src/__fixtures__/before.ts'], name: 'unit' } },
  { test: { setupFiles: './test/before.ts', name: 'with a network', provider: playwright() } },
] } }
`,
  )
  write('agent/__tests__/only.test.browser.ts', 'throw new Error("not for Node")\n')
  write('agent/__tests__/agent.test-d.ts', 'throw new Error("types only")\n')
  return folder
}

async function sdkTests(...args: string[]): Promise<{ code: number; said: string }> {
  const main = join(import.meta.dirname, 'main.ts')
  // Breakages of a mutation run are meant for the test, not for what it starts.
  const { SELVAGE_MUTATION, NODE_OPTIONS, ...env } = process.env
  return await run(process.execPath, [main, ...args], { env, cwd: import.meta.dirname }).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, said: stdout + stderr }),
  )
}

describe('the SDK’s own tests', { timeout: 120_000 }, () => {
  it('are laid over the package and compared', async () => {
    const { code, said } = await sdkTests(checkout('strands-ts/src'))
    expect(said).toContain('without the gate 4 of 6 tests pass, 2 fail and say nothing of it:')
    expect(said).toMatch(/src\/agent\/__tests__\/elsewhere\.test\.ts: Error: .*a-package-that-only-the-checkout-has/)
    expect(said).toContain('With the gate 4 of 6; 2 agents were gated, 1 refused')
    expect(code).toBe(0)
  })

  it('are told apart where the gate makes a difference', async () => {
    const folder = checkout('src')
    writeFileSync(
      join(folder, 'src/agent/__tests__/inside.test.ts'),
      `import { expect, it } from 'vitest'
import { Agent } from '../agent.js'
it('has nothing of its own', () => {
  expect(Object.hasOwn(new Agent({ printer: false }), '_streamWithMiddleware')).toBe(false)
})
it('loses an error', async () => {
  if (Object.hasOwn(new Agent({ printer: false }), '_streamWithMiddleware')) void Promise.reject(new Error('lost'))
  await new Promise((resolve) => setTimeout(resolve, 0))
})
`,
    )
    const { code, said } = await sdkTests(folder, 'inside', '--minutes', '5')
    expect(said).toContain('DIFFERENCE: src/agent/__tests__/inside.test.ts > has nothing of its own')
    expect(said).toMatch(/DIFFERENCE: no test\n {2}unhandled: Error: lost/)
    expect(said).toContain('2 differences, 0 of them explained')
    expect(code).toBe(1)
  })

  it('are explained one by one, or those of a file by what all of them say', () => {
    const one = { test: 'a.test.ts > calls', is: 'failed', message: 'Error: called outside\n    at a.test.ts:1' }
    expect(explains({ test: 'a.test.ts > calls', why: '' }, one)).toBe(true)
    expect(explains({ test: 'a.test.ts', why: '' }, one)).toBe(false)
    expect(explains({ test: 'a.test.ts', says: 'called outside', why: '' }, one)).toBe(true)
    expect(explains({ test: 'a.test.ts', says: 'called inside', why: '' }, one)).toBe(false)
    expect(explains({ test: 'b.test.ts', says: 'called outside', why: '' }, one)).toBe(false)
  })

  it('are not there without a checkout', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-checkout-'))
    folders.push(folder)
    cpSync(import.meta.filename, join(folder, 'something.ts'))
    expect(await sdkTests()).toMatchObject({ code: 3, said: expect.stringContaining('No checkout was named') })
    expect(await sdkTests(folder)).toMatchObject({ code: 3, said: expect.stringContaining('is no checkout') })
  })
})
