/** What an agent says while it works reaches live readers: of its run, and of its own stream. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type ScriptedAnswer, ScriptedModel } from '@selvage/strands/testing'
import { Agent, type AgentStreamEvent, type Message, type StreamOptions, type Tool, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { quiet } from '../../test/quiet.ts'
import { durable, isReplayed, openSelvage, type Run, type RunEvent, type Selvage } from '../index.ts'

let folder: string
let selvage: Selvage

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-agent-events-'))
  selvage = await openSelvage({ url: `sqlite:${join(folder, 'a.db')}`, logger: quiet })
})

afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Reads a run, and says when it has been told something. */
class Listener {
  readonly events: RunEvent[] = []
  readonly ended: Promise<void>
  readonly #leave = new AbortController()
  #wake = (): void => {}

  constructor(run: Run, after?: string) {
    this.ended = this.#read(run.events({ abortSignal: this.#leave.signal, ...(after !== undefined && { after }) }))
    this.ended.catch(() => {})
  }

  async #read(events: AsyncIterable<RunEvent>): Promise<void> {
    for await (const event of events) {
      this.events.push(event)
      this.#wake()
    }
  }

  async until(isIt: (event: RunEvent) => boolean): Promise<void> {
    while (!this.events.some(isIt)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async leave(): Promise<void> {
    this.#leave.abort()
    await this.ended
  }

  /** What was said and what was recorded of the steps; that one begins may have been told before somebody listened. */
  get told(): string[] {
    return this.events.flatMap((event) => {
      if (event.type === 'chunk')
        return [`${event.step} ${JSON.stringify(Object.values(event.chunk as object).at(-1))}`]
      return event.type === 'stepCompleted' ? [`${event.step} is recorded`] : []
    })
  }
}

/** Waits behind each thing that is said until somebody has heard it. */
type Heard = (chunk: object) => Promise<void>

class PacedModel extends ScriptedModel {
  readonly #heard: Heard

  constructor(script: readonly ScriptedAnswer[], heard: Heard) {
    super(script)
    this.#heard = heard
  }

  override async *stream(messages: Message[], options?: StreamOptions): ReturnType<ScriptedModel['stream']> {
    for await (const event of super.stream(messages, options)) {
      yield event
      if (event.type === 'modelContentBlockDeltaEvent' && event.delta.type === 'textDelta')
        await this.#heard({ type: 'text', text: event.delta.text })
    }
  }
}

/** `between`: what it says behind the first page. */
function searching(heard: Heard, between: () => AsyncGenerator<object> = async function* () {}): Tool {
  return tool({
    name: 'search',
    description: 'Searches.',
    inputSchema: z.object({}),
    callback: async function* () {
      for (const page of [1, 2, 3]) {
        yield { page }
        await heard({ type: 'progress', data: { page } })
        if (page === 1) yield* between()
      }
      return 'found'
    },
  })
}

const SEARCH = [{ name: 'search', input: {}, id: 'c1' }]

const TOLD = [
  'model#1 "I"',
  'model#1 " look"',
  'model#1 " around."',
  'model#1 "c1"',
  'model#1 "{}"',
  'model#1 is recorded',
  'tool:c1@1 {"page":1}',
  'tool:c1@1 {"page":2}',
  'tool:c1@1 {"page":3}',
  'tool:c1@1 is recorded',
  'model#2 "All"',
  'model#2 " found."',
  'model#2 is recorded',
]

interface Program {
  readonly model: PacedModel
  readonly tools: Tool[]
}

interface Paced extends Program {
  /** Whoever listens now. */
  listener: Listener
}

/** Begins to listen when the model is asked first: from then on it goes on only if what it says is heard at once. */
function paced(between?: (program: Paced) => AsyncGenerator<object>): Paced {
  const listen = async (): Promise<void> => {
    program.listener = new Listener(selvage.run('r'))
    await program.listener.until(({ type }) => type === 'runStarted')
  }
  const heard: Heard = (chunk) =>
    program.listener.until((event) => event.type === 'chunk' && isDeepStrictEqual(event.chunk, chunk))
  const script = [{ text: 'I look around.', tools: SEARCH, before: listen }, 'All found.']
  const tools = [searching(heard, between === undefined ? undefined : () => between(program))]
  const program: Paced = { model: new PacedModel(script, heard), tools, listener: undefined as unknown as Listener }
  return program
}

function managed({ model, tools }: Program): Promise<Run> {
  return selvage.agent('analyst', () => new Agent({ model, tools, printer: false })).start('go', { runId: 'r' })
}

function inline({ model, tools }: { readonly model: ScriptedModel; readonly tools: Tool[] }) {
  const plugin = durable({ runId: 'r', selvage })
  return { agent: new Agent({ name: 'a', model, tools, plugins: [plugin], printer: false }), plugin }
}

/** What a consumer of the agent's own stream is told of texts and progress. */
function said(event: AgentStreamEvent): string[] {
  if (event.type === 'toolStreamUpdateEvent') return [JSON.stringify(event.event.data)]
  if (event.type !== 'modelStreamUpdateEvent' || event.event.type !== 'modelContentBlockDeltaEvent') return []
  return event.event.delta.type === 'textDelta' ? [event.event.delta.text] : []
}

describe('a live reader is told each word of the model and each progress of a tool as it comes, before its step is recorded,', () => {
  test('of a managed agent', async () => {
    const program = paced()
    const run = await managed(program)
    await run.result()
    const { listener } = program
    await listener.ended
    expect(listener.told).toEqual(TOLD)
    const chunks = listener.events.filter(({ type }) => type === 'chunk')
    expect(chunks.every(({ replayed }) => !replayed)).toBe(true)
  })

  test('of durable(), and so is the consumer of its stream', async () => {
    const program = paced()
    const { agent, plugin } = inline(program)
    const streamed: string[] = []
    for await (const event of agent.stream('go')) {
      expect(isReplayed(event)).toBe(false)
      streamed.push(...said(event))
    }
    await plugin.detach()
    const { listener } = program
    await listener.until((event) => event.type === 'stepCompleted' && event.step === 'model#2')
    await listener.leave()
    expect(listener.told).toEqual(TOLD)
    expect(streamed).toEqual(['I', ' look', ' around.', '{"page":1}', '{"page":2}', '{"page":3}', 'All', ' found.'])
  })
})

test('a reader of an agent that leaves and comes back with its cursor misses nothing, and is told nothing twice', async () => {
  let told: string[] = []
  const program = paced(async function* (self) {
    await self.listener.leave()
    const { events } = self.listener
    told = self.listener.told
    self.listener = new Listener(selvage.run('r'), events.at(-1)?.cursor)
    const hears = () => self.listener.events.some(({ type }) => type === 'chunk')
    while (!hears()) {
      yield { waits: true }
      await new Promise((resolve) => void setImmediate(resolve))
    }
  })
  await (await managed(program)).result()
  const { listener } = program
  await listener.ended
  const since = listener.told.filter((line) => !line.endsWith('{"waits":true}'))
  expect(told).toEqual(TOLD.slice(0, 7))
  expect(since).toEqual(TOLD.slice(7))
  expect(listener.events.every(({ replayed }) => !replayed)).toBe(true)
})

test('of a run that has ended nothing is said again: what is recorded is marked as replayed', async () => {
  const run = await managed(paced())
  await run.result()
  const later = new Listener(run)
  await later.ended
  expect(later.told).toEqual(TOLD.filter((line) => line.endsWith('is recorded')))
  expect(later.events.every(({ replayed }) => replayed)).toBe(true)
})

test('a turn that another process goes on with: what was recorded is shown as replayed, the rest is live', async () => {
  const heard: Heard = async () => {}
  const tools = [searching(heard)]
  const broken = new ScriptedModel([{ text: 'I look around.', tools: SEARCH }, { error: new Error('no network') }])
  await inline({ model: broken, tools })
    .agent.invoke('go')
    .catch(() => {})
  const { agent, plugin } = inline({ model: new ScriptedModel(['', 'All found.']), tools })
  const listener = new Listener(selvage.run('r'))
  await listener.until((event) => event.type === 'stepCompleted' && event.step === 'tool:c1@1')
  const streamed: [string, boolean][] = []
  for await (const event of agent.stream('go'))
    streamed.push(...said(event).map((text): [string, boolean] => [text, isReplayed(event)]))
  await plugin.detach()
  await listener.until((event) => event.type === 'stepCompleted' && event.step === 'model#2')
  await listener.leave()
  expect(streamed).toEqual([
    ['I look around.', true],
    ['All', false],
    [' found.', false],
  ])
  expect(listener.told).toEqual([
    'model#1 is recorded',
    'tool:c1@1 is recorded',
    'model#2 "All"',
    'model#2 " found."',
    'model#2 is recorded',
  ])
  const replayed = listener.events.flatMap((event) => (event.type === 'stepCompleted' ? [event.replayed] : []))
  expect(replayed).toEqual([true, true, false])
})
