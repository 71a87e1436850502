import type { Entry } from '@selvage/core'
import type { Approval, Run, RunState, RunSummary } from 'selvage/core'
import { moneyFacts } from '../money.ts'
import type { Output } from '../output.ts'
import { resumeOf, resumeWords } from '../resume.ts'
import type { Row, RowState } from '../row.ts'
import { quote, type Session } from '../session.ts'
import { standing } from '../standing.ts'
import { cut, table } from '../table.ts'
import { timeline } from '../timeline.ts'
import { ago, brief, moment, plural, statusWord, took } from '../words.ts'
import { unknownLines } from './effects.ts'

/** `selvage show`: what a run is, what it did, and what it waits for. */
export async function show({ selvage, output, again }: Session, run: Run): Promise<void> {
  const [state, entries, open] = await Promise.all([
    run.status(),
    run.journal(),
    selvage.approvals({ runId: run.id, limit: 1_000 }),
  ])
  const callbacks = await selvage.approvals({ runId: run.id, kind: 'callback', limit: 1_000 })
  const children = await selvage.runs({ parent: run.id, limit: 1_000 })
  const questions = [...open.items, ...callbacks.items].toSorted((a, b) => a.openedAt - b.openedAt)
  const unknown = await selvage.effects({ runId: run.id, state: 'unknown' })
  const rows = timeline(entries, state.claims)
  const usage = await run.usage()
  const tree = children.items.length === 0 ? undefined : await run.usage({ tree: true })
  if (output.json) {
    const money = { usage, ...(tree !== undefined && { treeUsage: tree }) }
    const asked = { questions, unknown: unknown.items }
    return output.document({
      run: state,
      resume: resumeOf(entries),
      ...money,
      timeline: rows,
      ...asked,
      children: children.items,
    })
  }
  const facts = [...originFacts(entries), ...moneyFacts(usage, tree, state.budget), ...resumeFacts(entries)]
  for (const line of header(output, state, facts)) output.line(line)
  output.line()
  for (const line of rowLines(output, rows, state)) output.line(line)
  if (children.items.length > 0) output.line()
  for (const line of childLines(output, children.items)) output.line(line)
  if (unknown.items.length > 0) output.line()
  for (const line of unknownLines(output, unknown.items)) output.line(line)
  for (const question of questions) {
    output.line()
    for (const line of ask(output, question, again)) output.line(line)
  }
  if (state.status === 'failed' || state.status === 'cancelled') {
    output.line()
    // What was undone must not be taken as done.
    const isUndone = entries.some(({ type }) => type === 'undo')
    const told = isUndone ? 'to do again what was undone:' : 'to let it go on:'
    output.line(`${output.style('dim', told)} selvage ${isUndone ? 'fork' : 'retry'} ${quote(state.id)}${again}`)
  }
}

function originFacts([first]: readonly Entry[]): (readonly [string, string])[] {
  const origin = first?.type === 'start' ? first.start.forkedFrom : undefined
  return origin === undefined ? [] : [['forked from', `${brief(origin.runId, 500)}, before its entry ${origin.at}`]]
}

function resumeFacts(entries: readonly Entry[]): (readonly [string, string])[] {
  const words = resumeWords(entries)
  return words === undefined ? [] : [['goes on by', words]]
}

function header(output: Output, state: RunState, more: readonly (readonly [string, string])[]): string[] {
  const now = Date.now()
  const dim = (text: string) => output.style('dim', text)
  const version = state.version === undefined ? '' : ` v${state.version}`
  const times = [`started ${moment(state.createdAt, now)} (${ago(state.createdAt, now)})`]
  if (state.endedAt !== undefined) times.push(`took ${took(state.endedAt - state.createdAt)}`)
  const facts: (readonly [string, string])[] = [
    ['', times.join(', ')],
    ['', `${plural(state.steps, 'step')}, ${plural(state.entries, 'journal entry', 'journal entries')}`],
  ]
  facts.push(...more)
  if (state.parent !== undefined) facts.push(['parent', state.parent])
  if (state.tenant !== undefined) facts.push(['tenant', state.tenant])
  const tags = Object.entries(state.tags).map(([key, value]) => `${key}=${value}`)
  if (tags.length > 0) facts.push(['tags', brief(tags.join(' '), 200)])
  if (state.owner !== undefined) facts.push(['worker', ownerOf(state.owner)])
  if (state.crashes > 0 && state.inline === undefined)
    facts.push(['crashes', `${plural(state.crashes, 'worker')} died here without getting further`])
  if (state.deadline !== undefined)
    facts.push(['deadline', `${moment(state.deadline, now)} (${ago(state.deadline, now)})`])
  if (state.waitsFor !== undefined) facts.push(['waits for', waits(state.waitsFor, now)])
  if (state.note !== undefined) facts.push(['note', brief(state.note, 200)])
  return [
    `${output.style('bold', brief(state.id, 500))}  ${statusWord(output, state.status)}  ${brief(state.program + version, 100)}`,
    ...standing(state).map(({ told }) => `  ${output.style('yellow', told)}`),
    ...facts.map(([name, fact]) => `  ${name === '' ? '' : `${dim(name)} `}${fact}`),
  ]
}

function ownerOf({ pid, host, alive }: NonNullable<RunState['owner']>): string {
  return `pid ${pid} on ${brief(host, 60)}${alive === false ? ', which is gone' : ''}`
}

function waits(waiting: NonNullable<RunState['waitsFor']>, now: number): string {
  const until = waiting.until === undefined ? '' : `until ${moment(waiting.until, now)} (${ago(waiting.until, now)})`
  const names = waiting.signals.filter((name) => !name.startsWith('$'))
  return [names.join(' or '), until].filter((part) => part !== '').join(', ') || 'nothing'
}

const COLOUR: { readonly [state in RowState]: Parameters<Output['style']>[0] } = {
  started: 'dim',
  executed: 'green',
  recovered: 'cyan',
  retrying: 'yellow',
  failed: 'red',
  unknown: 'red',
  asked: 'yellow',
  intended: 'yellow',
  waiting: 'yellow',
  answered: 'green',
  expired: 'magenta',
  reminded: 'dim',
  received: 'dim',
  retried: 'cyan',
  undoing: 'magenta',
  completed: 'green',
  cancelled: 'magenta',
  claimed: 'dim',
  reconciled: 'cyan',
}

function rowLines(output: Output, rows: readonly Row[], state: RunState): string[] {
  const began = rows[0]?.at ?? 0
  let worker: string | undefined
  const cells = table(
    rows.flatMap((row) => {
      if (row.what !== 'worker') return [cellsOf(output, row, began, worker)]
      worker = row.worker?.id
      return []
    }),
    output.width,
    '  ',
  ).values()
  return rows.map((row) => (row.what === 'worker' ? workerLine(output, row, state) : (cells.next().value ?? '')))
}

/** `worker`: the one whose part of the timeline the row stands in. */
function cellsOf(output: Output, row: Row, began: number, worker: string | undefined): string[] {
  const elsewhere = row.worker !== undefined && row.worker.id !== worker ? `by pid ${row.worker.pid}: ` : ''
  return [
    output.style('dim', `+${took(row.at - began)}`),
    called(output, row),
    output.style('dim', row.kind ?? row.what),
    output.style(COLOUR[row.state], row.state),
    row.attempts !== undefined && row.attempts > 1 ? `attempt ${row.attempts}` : '',
    row.tookMs === undefined ? '' : took(row.tookMs),
    brief(`${elsewhere}${row.detail ?? ''}`, 160),
  ]
}

/** A line through the timeline: from here on it is the work of another process. */
function workerLine(output: Output, { worker, recoveredFrom }: Row, { inline }: RunState): string {
  const here = worker === undefined ? 'a worker' : processOf(worker)
  if (recoveredFrom === undefined) return cut(output.style('dim', `  ── ${here}`), output.width)
  const { pid, host = worker?.host } = recoveredFrom
  const dead =
    pid === undefined ? recoveredFrom.id : host === worker?.host ? `pid ${pid}` : `pid ${pid} on ${brief(host, 60)}`
  // A process that had done all it had to do leaves its inline run in the same way.
  const how = inline === undefined ? 'died' : 'has gone'
  return cut(output.style('blue', `  ── ${here} took over (${dead} ${how})`), output.width)
}

function processOf({ pid, host }: { readonly pid: number; readonly host: string }): string {
  return `worker pid ${pid} on ${brief(host, 60)}`
}

/** The name where the key does not say it; keys of model calls do. */
function called(output: Output, { key, name, kind }: Row): string {
  if (name === undefined || kind === 'model' || key.includes(name)) return brief(key, 60)
  return `${brief(name, 40)} ${output.style('dim', brief(key, 40))}`
}

function childLines(output: Output, children: readonly RunSummary[]): string[] {
  const rows = children
    .toReversed()
    .map((child) => [
      output.style('dim', 'child'),
      brief(child.id, 500),
      statusWord(output, child.status),
      brief(child.program, 60),
    ])
  return table(rows, output.width, '  ')
}

/** A question and the commands that answer it, ready to be copied. */
function ask(output: Output, question: Approval, again: string): string[] {
  const lines = [
    `${output.style('yellow', '?')} ${output.style('bold', brief(question.name, 80))} (${question.kind})  ${question.id}`,
  ]
  if (question.assignee !== undefined) lines.push(`    for ${brief(question.assignee, 80)}`)
  if (question.quorum !== undefined) lines.push(`    needs  ${quorumWords(question)}`)
  for (const { from, to, by, at } of question.delegations ?? []) {
    const who = `${from ?? 'anybody'} → ${to}${by === undefined || by === from ? '' : ` (said by ${by})`}`
    lines.push(`    given  ${brief(who, 120)}  ${moment(at, Date.now())}`)
  }
  if (question.input !== undefined) lines.push(`    input  ${brief(question.input, 400)}`)
  if (question.reason !== undefined && question.reason !== null) lines.push(`    reason ${brief(question.reason, 400)}`)
  if (question.expiresAt !== undefined) lines.push(`    until  ${moment(question.expiresAt, Date.now())}`)
  if (question.schema !== undefined) lines.push(`    wants  ${brief(question.schema, 400)}`)
  for (const command of answersTo(question)) lines.push(`    selvage${again} ${command}`)
  return lines
}

/** How many of whom, and what they have said. */
export function quorumWords({ quorum, votes = [] }: Pick<Approval, 'quorum' | 'votes'>): string {
  const said = votes.map(({ seat, approved }) => `${seat} ${approved ? 'yes' : 'no'}`)
  const names = brief(quorum?.of.join(', '), 200)
  return `${quorum?.need} of ${names}${said.length > 0 ? ` (so far ${said.join(', ')})` : ''}`
}

export function answersTo(question: Pick<Approval, 'id' | 'kind' | 'schema'>): string[] {
  switch (question.kind) {
    case 'approval':
      if (question.schema !== undefined) {
        return [`respond ${question.id} '<data as JSON>'`, `reject ${question.id} --reason '…'`]
      }
      return [`approve ${question.id}`, `reject ${question.id} --reason '…'`]
    case 'budget':
      return [
        `approve ${question.id}   # as much again`,
        `approve ${question.id} --input '{ "tokens": 10000 }'`,
        `reject ${question.id} --reason '…'   # the run ends`,
      ]
    case 'unknown':
      return [
        `approve ${question.id} --input '<its result as JSON>'   # it happened`,
        `reject ${question.id} --reason retry                    # it did not: make it now`,
        `reject ${question.id} --reason '…'                      # it did not: give up`,
      ]
    case 'compensation':
      return [
        `approve ${question.id}                      # it is undone (done by hand), or there was nothing to undo`,
        `reject ${question.id} --reason retry        # it is not: run the compensation (again)`,
        `reject ${question.id} --reason '…'          # it is not, and stays so`,
      ]
    default:
      return [`respond ${question.id} '<value as JSON>'`]
  }
}
