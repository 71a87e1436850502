/**
 * A graph with nested agents, tools at once, interrupts and a summarising manager, whose processes are killed: text,
 * messages, state and usage are those of a run that nobody disturbs, and nothing that is recorded is done again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from '@selvage/core'
import type { OrchestratorRunResult } from '@selvage/strands'
import type { KillAt } from '@selvage/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { comparable, conversations } from '../test/team-judge.ts'
import { TeamLedger, type TeamLine } from '../test/team-ledger.ts'
import { openSelvage } from './index.ts'

/** Of many processes: what their lives cost is not what is tested. */
const PATIENT_MS = 600_000
const SEEDS = 25
/** Without those of agents that are tools, which do nothing by themselves; the one that overflows and the summary with. */
const MODEL_CALLS = 23
const TOOL_CALLS = 20

const pathOf = (name: string): string => join(import.meta.dirname, '../test', name)

/** What is durable while no process works, and what has happened by then. */
interface Sight {
  readonly entries: readonly Entry[]
  readonly lines: readonly TeamLine[]
  readonly outcome: unknown
}

const children: ChildProcess[] = []
const folders: string[] = []

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-team-'))
  folders.push(folder)
  return folder
}

/** Resolves with whether the process was killed, behind so many writes to the journal; else it has come to the end of the run. */
async function isKilled(folder: string, writes?: number): Promise<boolean> {
  const kill =
    writes === undefined ? [] : [JSON.stringify({ moment: 'host.after-append', hit: writes } satisfies KillAt)]
  const args = [pathOf('team-process.ts'), folder, ...kill]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'inherit', 'inherit'] })
  children.push(child)
  const [code, signal] = await once(child, 'close')
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`a process ended with ${code ?? signal}`)
  return signal === 'SIGKILL'
}

async function look(folder: string): Promise<Sight> {
  const lines = new TeamLedger(folder).read()
  const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, work: false })
  try {
    const run = selvage.run('team')
    const { outcome } = await run.status()
    return { entries: await run.journal(), lines, outcome: outcome !== undefined && 'ok' in outcome && outcome.ok }
  } finally {
    await selvage.close()
  }
}

/** What must be the same. What happened outside is compared by what, not by how often: see wrongWith. */
function endOf({ outcome, entries, lines }: Sight): unknown {
  const result = outcome === false ? undefined : comparable(outcome as OrchestratorRunResult)
  const happened = [...new Set(lines.map(({ key }) => key))].sort()
  return { result, conversations: conversations(entries), happened }
}

const stepsOf = (entries: readonly Entry[]): string[] =>
  entries.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))

/** Of all that happened by now, and of what was recorded before the last process began. */
function wrongWith({ entries, lines }: Sight, before?: Sight): string[] {
  const wrong: string[] = []
  for (const [key, { length }] of Map.groupBy(entries.flatMap(nameOf), (name) => name)) {
    if (length > 1) wrong.push(`${key} is ${length} times in the journal`)
  }
  const recorded = new Set(stepsOf(before?.entries ?? []))
  for (const { key } of lines.slice(before?.lines.length ?? 0)) {
    if (recorded.has(key)) wrong.push(`${key} was recorded and happened again`)
  }
  for (const [key, same] of Map.groupBy(lines, (line) => line.key)) {
    if (new Set(same.map(({ idempotencyKey }) => idempotencyKey)).size > 1) wrong.push(`${key} has two keys outside`)
    // What was in flight in a process that died may be made once more, by the next one.
    if (new Set(same.map(({ pid }) => pid)).size < same.length) wrong.push(`${key} was made twice by one process`)
    if (same.some(({ name }) => name === 'charge') && same.length > 1) wrong.push(`${key} was paid twice`)
  }
  return wrong
}

function nameOf(entry: Entry): string[] {
  if (!('key' in entry)) return []
  // An effect `once` is intended anew in each attempt.
  return [`${entry.type} ${entry.key}${entry.type === 'intent' ? ` ${entry.attempt}` : ''}`]
}

describe('a team whose processes are killed', () => {
  let whole: Sight
  beforeAll(async () => {
    const folder = newFolder()
    await isKilled(folder)
    whole = await look(folder)
  }, PATIENT_MS)

  test('does, undisturbed, what is hard about teams', () => {
    const { entries, lines, outcome } = whole
    expect(wrongWith(whole)).toEqual([])
    expect(outcome).toMatchObject({ status: 'COMPLETED', text: expect.stringContaining('It is written.') })
    expect(entries.filter(({ type }) => type === 'open')).toHaveLength(3)
    expect(stepsOf(entries)).toEqual(
      expect.arrayContaining([
        'node:research#1/agent:archive/tool:call_3_1@3',
        'node:research#1/call:call_2_1@2/tool:call_1_2@1~2',
        'node:write#1/beyond:write@4',
      ]),
    )
    expect(lines).toHaveLength(MODEL_CALLS + TOOL_CALLS)
  })

  test(
    'behind each write to the journal of one run, comes to the same end',
    async () => {
      const folder = newFolder()
      const wrong: string[] = []
      let sight: Sight | undefined
      let kills = 0
      // A process that finds an intent writes one of its own: that may not be the last of what it does for ever.
      const writes = (): number => (sight?.entries.at(-1)?.type === 'intent' ? 2 : 1)
      for (; await isKilled(folder, writes()); kills++) {
        const now = await look(folder)
        if (now.entries.length === (sight?.entries.length ?? 0)) wrong.push(`kill ${kills + 1} was behind no write`)
        wrong.push(...wrongWith(now, sight).map((each) => `kill ${kills + 1}: ${each}`))
        sight = now
      }
      const last = await look(folder)
      expect([...wrong, ...wrongWith(last, sight)]).toEqual([])
      expect(endOf(last)).toEqual(endOf(whole))
      // How many there are depends on what is written together: not more than one entry at a time is, at the least.
      expect(kills).toBeGreaterThan(30)
    },
    PATIENT_MS,
  )

  test(
    `in ${SEEDS} seeded schedules, again and again, comes to the same end`,
    async () => {
      // Beside the sources as well as in what is built: child processes run the built code.
      const soak = join(createRequire(import.meta.url).resolve('@selvage/testing'), '../../dist/soak.js')
      const args = ['--engine', pathOf('under-test.ts'), '--scenario', pathOf('team-soak.ts'), '--seeds', `${SEEDS}`]
      const child = spawn(process.execPath, [soak, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
      children.push(child)
      const said: string[] = []
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void said.push(`${chunk}`))
      await once(child, 'close')
      const [, kills, failures] = /: (\d+) kills, (\d+) failures\n/.exec(said.join('')) ?? []
      expect(failures, said.join('')).toBe('0')
      expect(Number(kills)).toBeGreaterThan(SEEDS)
    },
    PATIENT_MS,
  )
})
