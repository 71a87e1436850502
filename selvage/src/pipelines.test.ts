import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type ScriptedAnswer, ScriptedModel } from '@selvage/strands/testing'
import { Agent, type Message, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { quiet } from '../test/quiet.ts'
import { currentStep, EngineError, openSelvage, type Selvage, SelvageError, UsageError } from './index.ts'

let folder: string
let url: string
let selvage: Selvage
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-pipelines-'))
  url = `sqlite:${join(folder, 'p.db')}`
  selvage = await openSelvage({ url, logger: quiet })
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Says what it was told, inside of its own name. */
function echo(name: string): ScriptedModel {
  return new ScriptedModel((messages) => `${name}(${told(messages)})`, { modelId: name })
}

function told(messages: readonly Message[]): string {
  const [block] = messages[0]?.content ?? []
  return block?.type === 'textBlock' ? block.text : '?'
}

function agentOf(name: string, model: ScriptedModel) {
  return selvage.agent(name, () => new Agent({ model, printer: false }))
}

/** Looks something up, then does what `second` says. */
function looking(second: () => ScriptedAnswer) {
  const looked: string[] = []
  const model = new ScriptedModel((_, { answer }) =>
    answer === 1 ? { text: 'I look.', tools: [{ name: 'look', input: { what: 'it' } }] } : second(),
  )
  const look = tool({
    name: 'look',
    description: 'Looks something up.',
    inputSchema: z.object({ what: z.string() }),
    callback: ({ what }) => {
      looked.push(what)
      return `found ${what}`
    },
  })
  return { looked, model, make: () => new Agent({ model, tools: [look], printer: false }) }
}

test('agents one after the other: each is given the text of the one before, and is a run of its own', async () => {
  const models = ['planner', 'executor', 'writer'].map(echo)
  const [planner, executor, writer] = models.map((model) => agentOf(model.modelId ?? '', model))
  if (planner === undefined || executor === undefined || writer === undefined) throw new Error('three')
  const brief = selvage.pipeline('brief', [planner, executor, writer])
  const run = await brief.start('the market', { runId: 'b' })
  const { text, stopReason } = await run.result()
  expect([text, stopReason]).toEqual(['writer(executor(planner(the market)))', 'endTurn'])
  expect(models.map(({ calls }) => calls)).toEqual([1, 1, 1])
  const { items } = await selvage.runs({ parent: 'b' })
  expect(items.map(({ id, status }) => [id, status])).toEqual([
    ['b/writer', 'completed'],
    ['b/executor', 'completed'],
    ['b/planner', 'completed'],
  ])
  expect((await run.status()).note).toEqual({ stage: 'writer', number: 3, of: 3 })
})

test('structured output is what the next stage is given', async () => {
  const plan = { parts: ['a', 'b'] }
  const model = new ScriptedModel([{ tools: [{ name: 'strands_structured_output', input: plan }] }])
  const structuredOutputSchema = z.object({ parts: z.array(z.string()) })
  const planner = selvage.agent('planner', () => new Agent({ model, structuredOutputSchema, printer: false }))
  const count = selvage.workflow('count', (_ctx, { parts }: typeof plan) => parts.length)
  const run = await selvage.pipeline('counted', [planner, count]).start('the market')
  const parts: number = await run.result()
  expect(parts).toBe(2)
})

test('one model per stage: for an agent that is registered, and for one that only the pipeline has', async () => {
  const own = echo('own')
  const { looked, make, model } = looking(() => 'unused')
  const [cheap, dear] = [
    new ScriptedModel(['cheap'], { modelId: 'cheap' }),
    new ScriptedModel((_, { answer }) => (answer === 1 ? { tools: [{ name: 'look', input: { what: 'x' } }] } : 'dear')),
  ]
  const planner = agentOf('planner', own)
  const executor = selvage.agent('executor', make, { version: '7', effects: { look: 'once' } })
  const pipeline = selvage.pipeline(
    'brief',
    [
      { agent: planner, model: cheap },
      { agent: executor, model: dear, name: 'do' },
      { agent: planner, input: (previous, { input, results }) => `${previous} of ${input}, ${Object.keys(results)}` },
      { name: 'end', agent: () => new Agent({ model: own, printer: false }), model: echo('last') },
    ],
    { version: '2' },
  )
  const { text } = await (await pipeline.start('x', { runId: 'b' })).result()
  expect(text).toBe('last(own(dear of x, planner,do))')
  expect([cheap.calls, dear.calls, own.calls, model.calls]).toEqual([1, 2, 1, 0])
  expect(looked).toEqual(['x'])
  // What was declared of the agent holds for the stage.
  expect((await selvage.effects({ runId: 'b/do' })).items).toMatchObject([{ name: 'look', effect: 'once' }])
  const { items } = await selvage.runs({ parent: 'b' })
  expect(items.map(({ id, program, version }) => [id, program, version])).toEqual([
    ['b/end', 'brief/end', '2'],
    ['b/planner#2', 'planner', undefined],
    ['b/do', 'brief/do', '2'],
    ['b/planner', 'brief/planner', '2'],
  ])
})

test('run.retry() goes on where the failed stage failed: nothing that was done is done again', async () => {
  let broken = true
  const { looked, model, make } = looking(() => (broken ? { error: new Error('out of order') } : 'Done.'))
  const [first, last] = [echo('planner'), echo('writer')]
  const executor = selvage.agent('executor', make)
  const brief = selvage.pipeline('brief', [agentOf('planner', first), executor, agentOf('writer', last)])
  const run = await brief.start('x', { runId: 'b' })
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_FAILED',
    message: expect.stringContaining('out of order'),
  })
  expect([first.calls, model.calls, last.calls]).toEqual([1, 2, 0])
  expect((await selvage.run('b/executor').status()).status).toBe('failed')
  broken = false
  await run.retry()
  expect((await run.result()).text).toBe('writer(Done.)')
  expect([first.calls, model.calls, last.calls]).toEqual([1, 3, 1])
  expect(looked).toEqual(['it'])
})

test('a retry policy makes the failed child go on where it failed', async () => {
  let left = 2
  const { looked, model, make } = looking(() => (left-- > 0 ? { error: new Error('out of order') } : 'Done.'))
  const first = echo('planner')
  const executor = selvage.agent('executor', make)
  const retry = { maxAttempts: 3, initial: 1 }
  const run = await selvage
    .pipeline('brief', [agentOf('planner', first), { agent: executor, retry, timeout: '1h' }])
    .start('x', { runId: 'b' })
  expect((await run.result()).text).toBe('Done.')
  expect([first.calls, model.calls]).toEqual([1, 4])
  expect(looked).toEqual(['it'])
  const { items } = await selvage.runs({ parent: 'b' })
  expect(items.map(({ id }) => id)).toEqual(['b/executor', 'b/planner'])
})

/** A Selvage on the same engine, with another way to retry runs. */
function withRetry(retry: (id: string) => Promise<void>): Promise<Selvage> {
  const { engine } = selvage.parts
  const other = new Proxy(engine, {
    get(target, key) {
      const value: unknown = key === 'retry' ? retry : Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return openSelvage({ engine: other })
}

/** A step that fails so many times. */
function flaky(where: Selvage, failures: number) {
  const work = { calls: 0 }
  const program = where.workflow('flaky', (ctx) =>
    ctx.step('work', () => {
      if (++work.calls <= failures) throw new Error('busy')
      return 'done'
    }),
  )
  return { work, program }
}

test('a child that has said that it failed, and has not ended, is retried once it has', async () => {
  const { engine } = selvage.parts
  let refused = 0
  await using other = await withRetry(async (id) => {
    if (++refused <= 2) throw new UsageError('BAD_INPUT', `Run ${id} is running.`)
    await engine.retry?.(id)
  })
  const { work, program } = flaky(other, 1)
  const run = await other.pipeline('p', [program], { retry: { initial: 0 } }).start('x')
  expect(await run.result()).toBe('done')
  expect([refused, work.calls]).toEqual([3, 2])
})

test('a retry that nobody heard of, of a child that has failed once more since, is not made again', async () => {
  const { engine } = selvage.parts
  await using other = await withRetry(async (id) => {
    await engine.retry?.(id)
    await expect(other.run(id).result()).rejects.toThrow('busy')
    throw new EngineError('UNAVAILABLE', 'The answer was lost.')
  })
  const { work, program } = flaky(other, 2)
  const run = await other.pipeline('p', [program], { retry: { maxAttempts: 2, initial: 0 } }).start('x')
  await expect(run.result()).rejects.toThrow('busy')
  expect(work.calls).toBe(2)
})

test('after the last attempt run.retry() makes one more', async () => {
  let broken = true
  const { looked, model, make } = looking(() => (broken ? { error: new Error('out of order') } : 'Done.'))
  const executor = selvage.agent('executor', make)
  const run = await selvage
    .pipeline('brief', [{ agent: executor, timeout: '1h' }], { retry: { maxAttempts: 2, initial: 0 } })
    .start('x')
  for (const calls of [3, 4]) {
    await expect(run.result()).rejects.toMatchObject({ message: expect.stringContaining('out of order') })
    expect(model.calls).toBe(calls)
    broken = calls === 3
    await run.retry()
  }
  expect((await run.result()).text).toBe('Done.')
  expect(looked).toEqual(['it'])
})

test('a stage that takes too long is cancelled; with more time run.retry() makes it go on', async () => {
  const [first, last] = [echo('planner'), echo('writer')]
  const stuck = new ScriptedModel([{ before: untilAborted }])
  const register = (model: ScriptedModel, timeout: string) =>
    selvage.pipeline('brief', [
      agentOf('planner', first),
      { agent: agentOf('executor', model), timeout },
      agentOf('writer', last),
    ])
  const run = await register(stuck, '100ms').start('x', { runId: 'b' })
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_FAILED',
    cause: { code: 'STEP_TIMEOUT', message: expect.stringContaining('Stage "executor" of run b took longer') },
  })
  expect(await selvage.run('b/executor').status()).toMatchObject({
    status: 'cancelled',
    outcome: { cancelled: 'stage "executor" took longer than 100 ms' },
  })
  await selvage.close()
  selvage = await openSelvage({ url })
  const brief = register(new ScriptedModel(['Done.']), '1h')
  await brief.run('b').retry()
  await selvage.work()
  expect((await brief.run('b').result()).text).toBe('writer(Done.)')
  expect([first.calls, last.calls]).toEqual([1, 1])
})

test('a stage that takes too long goes on at the next attempt of its policy, as the same run', async () => {
  let asked = 0
  const { looked, make } = looking(() => (++asked === 1 ? { before: untilAborted } : 'Done.'))
  // How many attempts a slow machine needs is its own affair.
  const retry = { maxAttempts: 1_000, initial: 0 }
  const stages = [{ agent: selvage.agent('executor', make), timeout: '200ms', retry }] as const
  const run = await selvage.pipeline('brief', stages).start('x', { runId: 'b' })
  expect((await run.result()).text).toBe('Done.')
  expect(asked).toBeGreaterThan(1)
  expect(looked).toEqual(['it'])
  expect((await selvage.runs({ parent: 'b' })).items.map(({ id }) => id)).toEqual(['b/executor'])
})

test.each([undefined, '1h'])('a pipeline that was cancelled goes on with its stage (timeout %s)', async (timeout) => {
  const { looked, make, model } = looking(() => 'Done.')
  const first = echo('planner')
  const executor = selvage.agent('executor', make, { approvals: { look: true } })
  const stages = [agentOf('planner', first), timeout === undefined ? executor : { agent: executor, timeout }] as const
  const run = await selvage.pipeline('brief', stages).start('x', { runId: 'b' })
  await completed('b', 'child:executor')
  const question = await asked('b/executor')
  await run.cancel('enough')
  await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
  await expect(selvage.run('b/executor').result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
  await run.retry()
  await completed('b', 'child:executor/retry#2')
  await selvage.run('b/executor').approve(question)
  expect(await run.result()).toMatchObject({ text: 'Done.' })
  expect([first.calls, model.calls]).toEqual([1, 2])
  expect(looked).toEqual(['it'])
})

async function completed(runId: string, step: string): Promise<void> {
  for await (const event of selvage.run(runId).events()) {
    if (event.type === 'stepCompleted' && event.step === step) return
  }
  throw new Error(`${runId} has ended without ${step}`)
}

async function asked(runId: string): Promise<string> {
  for await (const event of selvage.run(runId).events()) {
    if (event.type === 'questionOpened') return event.question.id
  }
  throw new Error(`${runId} has asked nothing`)
}

function untilAborted(): Promise<void> {
  return new Promise((_, reject) => {
    const signal = currentStep()?.abortSignal
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}

/** Three agents. The process called `stuck` never gets an answer in the second one. */
const WORKER = `
  import { appendFileSync } from 'node:fs'
  import { ScriptedModel } from '@selvage/strands/testing'
  import { Agent } from '@strands-agents/sdk'
  import { openSelvage } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
  const [url, ledger, name] = process.argv.slice(1)
  const selvage = await openSelvage({ url })
  const agent = (stage) => () => new Agent({ printer: false, model: new ScriptedModel(() => {
    appendFileSync(ledger, name + ' ' + stage + '\\n')
    if (name !== 'stuck' || stage !== 'executor') return stage
    console.log('stuck')
    setInterval(() => {}, 1_000)
    return new Promise(() => {})
  }) })
  const stages = ['planner', 'executor', 'writer'].map((stage) => ({ name: stage, agent: agent(stage) }))
  const run = await selvage.pipeline('brief', stages).start('x', { runId: 'b' })
  console.log((await run.result()).text)
  await selvage.close()
`

function worker(ledger: string, name: string) {
  const args = ['--conditions=@selvage/source', '--input-type=module', '--eval', WORKER, url, ledger, name]
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    says: async () => (await lines.next()).value,
    kill: () => {
      child.kill('SIGKILL')
      return new Promise((resolve) => child.once('exit', resolve))
    },
  }
}

test('a process that is killed in the second stage: the next one asks only the second and the third', async () => {
  const ledger = join(folder, 'ledger')
  const first = worker(ledger, 'stuck')
  expect(await first.says()).toBe('stuck')
  await first.kill()
  expect(await worker(ledger, 'next').says()).toBe('writer')
  const asked = readFileSync(ledger, 'utf8').trim().split('\n')
  expect(asked).toEqual(['stuck planner', 'stuck executor', 'next executor', 'next writer'])
})

describe('bad input', () => {
  const make = (): Agent => new Agent({ printer: false })
  const model = echo('m')
  const cases: [string, () => readonly unknown[], string][] = [
    ['no stages', () => [], 'Pipeline "p" has no stages'],
    ['an Agent', () => [make()], 'Stage 1 of pipeline "p" is an agent without a name'],
    ['a factory without a name', () => [make], 'Stage 1 of pipeline "p" is an agent without a name'],
    ['an agent stage without a name', () => [{ agent: make }], 'Stage 1 of pipeline "p" needs a name'],
    ['an Agent in a stage', () => [{ name: 'a', agent: make() }], 'Stage 1 of pipeline "p" has no agent'],
    ['a program with a model', () => [{ program: selvage.agent('x', make), model }], 'Only agents have models'],
    ['a model that is none', () => [{ name: 'a', agent: make, model: 'opus' }], 'no Model'],
    ['a model for a workflow', () => [{ agent: selvage.workflow('w', () => 1), model }], 'no agent of this Selvage'],
    ['an unknown option', () => [{ name: 'a', agent: make, modle: model }], 'no option "modle"'],
    ['an unknown option of the agent', () => [{ name: 'a', agent: make, options: { efects: {} } }], '"efects"'],
    ['a version of the agent', () => [{ name: 'a', agent: make, options: { version: '1' } }], 'version of its own'],
    ['options for a handle', () => [{ agent: selvage.agent('x', make), options: {} }], 'that is registered'],
    ['nothing', () => [{ name: 'a', agent: make }, undefined], 'Stage 2 of pipeline "p" is no program'],
    ['no program', () => [{ name: 'a', agent: make }, { program: null }], 'Stage 2 of pipeline "p" is no program'],
  ]
  test.each(cases)('%s is refused, and nothing is registered', (_what, stages, message) => {
    const given = stages()
    const before = selvage.programs().length
    let error: unknown
    try {
      selvage.pipeline('p', given as [])
    } catch (thrown) {
      error = thrown
    }
    expect(SelvageError.is(error, 'BAD_INPUT')).toBe(true)
    expect((error as Error).message).toContain(message)
    expect(selvage.programs().length).toBe(before)
  })

  test('the same pipeline twice', () => {
    const stages = [{ name: 'a', agent: make }] as const
    selvage.pipeline('p', stages)
    const again = expect.objectContaining({ code: 'ALREADY_REGISTERED', message: expect.stringContaining("'p'") })
    expect(() => selvage.pipeline('p', stages)).toThrow(again)
    selvage.pipeline('p', stages, { version: '2' })
  })

  test('an input that the schema refuses starts nothing', async () => {
    const planner = agentOf('planner', echo('planner'))
    const strict = selvage.pipeline('p', [planner], { input: z.string() })
    await expect(strict.start(3 as never)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    expect((await selvage.runs()).items).toEqual([])
  })

  test('a model that keeps conversations for an agent that was made for one that does not', async () => {
    class Stateful extends ScriptedModel {
      override get stateful(): boolean {
        return true
      }
    }
    const run = await selvage.pipeline('p', [{ name: 'a', agent: make, model: new Stateful(['a']) }]).start('x')
    await expect(run.result()).rejects.toMatchObject({ message: expect.stringContaining('model keeps conversations') })
  })
})
