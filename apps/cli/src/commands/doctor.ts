import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { SelvageError } from '@selvage/core'
import { type Inspection, inspect, openSelvage, type RunSummary, type Selvage } from 'selvage/core'
import { EXIT } from '../exit-codes.ts'
import { type FileSystem, fileSystemAt } from '../file-system.ts'
import { createOutput, type Output } from '../output.ts'
import { type GlobalOptions, location } from '../session.ts'
import { isInline } from '../standing.ts'
import { ago, bytes, plural } from '../words.ts'

export interface Check {
  readonly name: string
  /** `warn` needs a look, `wrong` needs to be repaired. */
  readonly state: 'ok' | 'warn' | 'wrong'
  readonly found: string
  readonly advice?: string
}

const LEAST_NODE = [22, 13] as const
const LEAST_FREE_BYTES = 100 * 1024 * 1024
const LARGE_LOG_BYTES = 64 * 1024 * 1024
/** A pending run that nobody took for so long waits for a worker that does not exist. */
const OVERDUE_MS = 60_000
const LOOKED_AT = 200

/** `selvage doctor`: exit code 1 if anything is wrong. */
export async function doctor(options: GlobalOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const checks = [nodeVersion()]
  if (isServer(options)) checks.push(...(await ofServer(options)))
  else {
    checks.push(sqlite())
    const inspection = look(options, checks)
    if (inspection !== undefined) {
      checks.push(...ofFile(inspection))
      if (checks.every((check) => check.state !== 'wrong')) checks.push(...(await ofRuns(options, inspection)))
    }
  }
  const wrong = checks.some((check) => check.state === 'wrong')
  if (output.json) output.document({ ok: !wrong, checks })
  else for (const check of checks) print(output, check)
  if (wrong) process.exitCode = EXIT.failure
}

/** Whose files are not ours to look at. */
function isServer({ url = process.env.SELVAGE_URL ?? '' }: GlobalOptions): boolean {
  return /^postgres(?:ql)?:/i.test(url)
}

function look(options: GlobalOptions, checks: Check[]): Inspection | undefined {
  try {
    return inspect(location(options))
  } catch (error) {
    if (!SelvageError.is(error) || error.code === 'BAD_INPUT' || error.code === 'UNSUPPORTED') throw error
    if (error.details.missing === true) throw error
    checks.push({ name: 'database', state: 'wrong', found: error.message })
    return undefined
  }
}

// ── this machine ────────────────────────────────────────────────────────────────────────────────────────────────────

function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const old = major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])
  const found = `${process.versions.node} on ${process.platform} ${process.arch}`
  return old
    ? { name: 'node', state: 'wrong', found, advice: `Selvage needs Node ${LEAST_NODE.join('.')} or newer.` }
    : { name: 'node', state: 'ok', found }
}

function sqlite(): Check {
  return { name: 'sqlite', state: 'ok', found: process.versions.sqlite ?? 'of unknown version' }
}

// ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────

function ofFile(found: Inspection): Check[] {
  return [
    { name: 'database', state: 'ok', found: `${found.path}, ${bytes(found.bytes)}` },
    schema(found),
    found.damage.length === 0
      ? { name: 'integrity', state: 'ok', found: 'quick check passed' }
      : {
          name: 'integrity',
          state: 'wrong',
          found: found.damage.join('; '),
          advice: `Move the file and its -wal and -shm away and restore a backup; 'sqlite3 ${found.path} .recover' saves what is readable.`,
        },
    log(found),
    freeSpace(found.path),
    ...network(fileSystemAt(found.path)),
    { name: 'blobs', state: 'ok', found: `${found.blobs.count}, ${bytes(found.blobs.bytes)}` },
  ]
}

function schema({ schema, knownSchema }: Inspection): Check {
  const name = 'schema'
  if (schema === knownSchema) return { name, state: 'ok', found: `${schema}` }
  if (schema > knownSchema) {
    return {
      name,
      state: 'wrong',
      found: `${schema}; this version knows up to ${knownSchema}`,
      advice: 'Update Selvage.',
    }
  }
  return schema === 0
    ? { name, state: 'wrong', found: 'none: this is no database of Selvage', advice: 'Check the path.' }
    : { name, state: 'ok', found: `${schema}; the next program that opens it brings it to ${knownSchema}` }
}

function log({ journalMode, logBytes }: Inspection): Check {
  const name = 'write-ahead log'
  const found = `${journalMode}, ${bytes(logBytes)}`
  if (journalMode !== 'wal') {
    return { name, state: 'warn', found, advice: 'It is set again when a program opens the database.' }
  }
  return logBytes > LARGE_LOG_BYTES
    ? {
        name,
        state: 'warn',
        found,
        advice: 'Some program keeps a read open; look for a SQLite shell or a backup tool.',
      }
    : { name, state: 'ok', found }
}

function freeSpace(path: string): Check {
  const { bavail, bsize } = statfsSync(dirname(path))
  const free = bavail * bsize
  const found = `${bytes(free)} free`
  return free < LEAST_FREE_BYTES
    ? {
        name: 'disk',
        state: 'warn',
        found,
        advice: 'When it is full, runs stand still until there is room; nothing is lost.',
      }
    : { name: 'disk', state: 'ok', found }
}

export function network(fileSystem: FileSystem | undefined): readonly Check[] {
  if (fileSystem === undefined || fileSystem.shares === 'yes') return []
  const found = `${fileSystem.name}, ${fileSystem.shares === 'no' ? '' : 'perhaps '}over a network`
  const advice = "SQLite's log needs a disk of this machine; between machines use PostgreSQL (--url 'postgres://…')."
  return [{ name: 'file system', state: 'warn', found, advice }]
}

// ── who works, and what stands still ────────────────────────────────────────────────────────────────────────────────

async function ofRuns(options: GlobalOptions, found: Inspection): Promise<Check[]> {
  const counts = Object.entries(found.runs).map(([status, count]) => `${count} ${status}`)
  const selvage = await openSelvage({ ...location(options), work: false, create: false })
  try {
    return [
      { name: 'runs', state: 'ok', found: counts.length === 0 ? 'none' : counts.join(', ') },
      workers(found, Date.now()),
      ...(await standstills(selvage)),
    ]
  } finally {
    await selvage.close()
  }
}

async function ofServer(options: GlobalOptions): Promise<Check[]> {
  const opened = openSelvage({ ...location(options), work: false, create: false })
  try {
    const selvage = await opened
    return [{ name: 'database', state: 'ok', found: selvage.location }, ...(await standstills(selvage))]
  } catch (error) {
    if (!SelvageError.is(error) || error.code === 'BAD_INPUT' || error.code === 'UNSUPPORTED') throw error
    return [{ name: 'database', state: 'wrong', found: error.message, advice: error.hint ?? 'Check the url.' }]
  } finally {
    await opened.then((selvage) => selvage.close()).catch(() => {})
  }
}

async function standstills(selvage: Selvage): Promise<Check[]> {
  return [
    await overdue(selvage, Date.now()),
    await unfinished(selvage),
    await crashing(selvage),
    await questions(selvage),
    await outboxCheck(selvage, Date.now()),
  ]
}

function workers({ workers: known, runs }: Inspection, now: number): Check {
  const name = 'workers'
  const alive = known.filter((worker) => worker.lives && worker.leaseUntil > now)
  const stopped = known.filter((worker) => worker.lives && worker.leaseUntil <= now)
  const found = [
    alive.length === 0 ? 'none at work' : `${alive.length} at work (${alive.map(where).join(', ')})`,
    ...(stopped.length === 0 ? [] : [`${stopped.length} standing still (${stopped.map(where).join(', ')})`]),
    ...(known.length > alive.length + stopped.length ? [`${known.length - alive.length - stopped.length} dead`] : []),
  ].join(', ')
  const waiting = (runs.pending ?? 0) + (runs.running ?? 0)
  if (alive.length > 0 || waiting === 0) return { name, state: stopped.length > 0 ? 'warn' : 'ok', found }
  const advice = `${plural(waiting, 'run waits', 'runs wait')} for one: start your program, or 'selvage work <module>'.`
  return { name, state: 'warn', found, advice }
}

function where({ pid, host }: { readonly pid: number; readonly host: string }): string {
  return `pid ${pid} on ${host}`
}

async function overdue(selvage: Selvage, now: number): Promise<Check> {
  const name = 'overdue'
  const { items } = await selvage.runs({ status: 'pending', limit: LOOKED_AT })
  const late = items.filter((run) => now - run.updatedAt > OVERDUE_MS && !isInline(run))
  const [oldest] = late.toSorted((a, b) => a.updatedAt - b.updatedAt)
  if (oldest === undefined) return { name, state: 'ok', found: 'no run waits for a worker for long' }
  const programs = [...new Set(late.map(label))]
  return {
    name,
    state: 'warn',
    found: `${plural(late.length, 'run')} of ${programs.join(', ')} pending, ${oldest.id} since ${ago(oldest.updatedAt, now)}`,
    advice:
      'Start a worker that registers that program in that version; a start time in the future is no reason for concern.',
  }
}

async function unfinished(selvage: Selvage): Promise<Check> {
  const name = 'inline'
  const { items } = await selvage.runs({ status: ['pending', 'running'], limit: LOOKED_AT })
  const runs = await Promise.all(items.filter(isInline).map(({ id }) => selvage.run(id).status()))
  const left = runs.filter(({ inline }) => inline?.state === 'interrupted')
  if (left.length === 0) return { name, state: 'ok', found: 'no run of durable() was left in the middle of a turn' }
  const ids = left.slice(0, 3).map((run) => run.id)
  const advice = 'Run its program again: it goes on where it stopped.'
  return {
    name,
    state: 'warn',
    found: `${plural(left.length, 'run')} of durable() interrupted: ${ids.join(', ')}`,
    advice,
  }
}

async function crashing(selvage: Selvage): Promise<Check> {
  const name = 'crashes'
  const { items } = await selvage.runs({ status: ['pending', 'running', 'suspended'], limit: 1_000 })
  // An inline run counts each end of a process that was given nothing to do.
  const stuck = items.filter((run) => run.crashes > 0 && !isInline(run))
  if (stuck.length === 0) return { name, state: 'ok', found: 'no run kills its workers' }
  const worst = stuck.toSorted((a, b) => b.crashes - a.crashes).slice(0, 3)
  return {
    name,
    state: 'warn',
    found: `${plural(stuck.length, 'run')} whose workers died without getting further: ${worst.map((run) => `${run.id} (${run.crashes} times)`).join(', ')}`,
    advice:
      "Look at the step that was under way with 'selvage show <run>'; after 5 deaths the run fails with CRASH_LOOP.",
  }
}

async function questions(selvage: Selvage): Promise<Check> {
  const { items, next } = await selvage.approvals({ limit: 1_000 })
  const many = next === undefined ? '' : ' or more'
  const unknown = items.filter((question) => question.kind === 'unknown')
  const found = items.length === 0 ? 'no question is open' : `${plural(items.length, 'question')}${many} open`
  if (unknown.length === 0) return { name: 'questions', state: 'ok', found }
  return {
    name: 'questions',
    state: 'warn',
    found: `${found}, ${unknown.length} about an effect that may or may not have happened: ${unknown
      .map((question) => question.runId)
      .slice(0, 3)
      .join(', ')}`,
    advice: "'selvage show <run>' says what to look up and how to answer.",
  }
}

async function outboxCheck(selvage: Selvage, now: number): Promise<Check> {
  const name = 'outbox'
  const dead = await selvage.messages({ state: 'dead', limit: LOOKED_AT })
  if (dead.items.length > 0) {
    const many = dead.next === undefined ? '' : ' or more'
    const topics = [...new Set(dead.items.map(({ topic }) => topic))].slice(0, 3)
    return {
      name,
      state: 'warn',
      found: `${plural(dead.items.length, 'message')}${many} to ${topics.join(', ')} given up`,
      advice: "'selvage outbox --state dead' shows why; 'selvage resend <message>' delivers one after all.",
    }
  }
  const { items } = await selvage.messages({ state: 'waiting', limit: LOOKED_AT })
  const late = items.filter(({ dueAt }) => dueAt !== undefined && now - dueAt > OVERDUE_MS)
  if (late.length === 0) return { name, state: 'ok', found: 'no message waits for long' }
  const topics = [...new Set(late.map(({ topic }) => topic))].slice(0, 3)
  return {
    name,
    state: 'warn',
    found: `${plural(late.length, 'message')} to ${topics.join(', ')} due, and not delivered`,
    advice: 'Start a worker that handles that topic: selvage.outbox(topic, handler).',
  }
}

function label({ program, version }: RunSummary): string {
  return version === undefined ? program : `${program} v${version}`
}

const MARK = { ok: ['green', '✓'], warn: ['yellow', '!'], wrong: ['red', '✗'] } as const

function print(output: Output, { name, state, found, advice }: Check): void {
  const [colour, mark] = MARK[state]
  output.line(`${output.style(colour, mark)} ${name.padEnd(16)} ${found}`)
  if (advice !== undefined) output.line(`${' '.repeat(19)}${advice}`)
}
