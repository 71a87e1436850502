import type { RunQuery, RunStatus } from '@selvage/core'
import { UsageError } from '@selvage/core'
import type { InlineState, PotState, RunSummary, RunUsage, Selvage } from 'selvage/core'
import { costOf, fullest } from '../money.ts'
import type { Session } from '../session.ts'
import { quote } from '../session.ts'
import { isInline, standing } from '../standing.ts'
import { table } from '../table.ts'
import { ago, brief, statusWord } from '../words.ts'

export interface ListOptions {
  readonly status?: readonly string[]
  readonly program?: string
  readonly tenant?: string
  readonly tag?: string
  readonly limit?: number
  readonly after?: string
  /** Reads the journal of each run. */
  readonly usage?: boolean
}

const STATUSES: readonly RunStatus[] = ['pending', 'running', 'suspended', 'completed', 'failed', 'cancelled']

/** `selvage list`: one page of runs, newest first. */
export async function list({ selvage, output, again }: Session, options: ListOptions): Promise<void> {
  const found = await selvage.runs(queryOf(options))
  const page = { ...found, items: await Promise.all(found.items.map((run) => withMore(selvage, run, options))) }
  if (output.json) return output.document(page)
  if (page.items.length === 0) return output.note(`No such runs in ${selvage.location}.`)
  const now = Date.now()
  const hasBudget = page.items.some(({ budget }) => budget !== undefined)
  const money = [...(options.usage === true ? ['TOKENS', 'COST'] : []), ...(hasBudget ? ['BUDGET'] : [])]
  const head = ['RUN', 'STATUS', 'PROGRAM', 'STEPS', ...money, 'STARTED', 'UPDATED', 'TAGS'].map((name) =>
    output.style('dim', name),
  )
  const rows = page.items.map((run) => [
    brief(run.id, 500),
    [statusWord(output, run.status), ...standing(run).map(({ brief }) => output.style('dim', `(${brief})`))].join(' '),
    brief(run.version === undefined ? run.program : `${run.program} v${run.version}`, 60),
    String(run.steps),
    ...(run.usage === undefined ? [] : [String(run.usage.totalTokens), costOf(run.usage)]),
    ...(hasBudget ? [run.budget === undefined ? '' : fullest(run.budget)] : []),
    ago(run.createdAt, now),
    ago(run.updatedAt, now),
    brief(
      [...tenantOf(run.tenant), ...Object.entries(run.tags).map(([key, value]) => `${key}=${value}`)].join(' '),
      60,
    ),
  ])
  for (const line of table([head, ...rows], output.width)) output.line(line)
  if (page.next !== undefined) output.note(`More: selvage list --after ${quote(page.next)}${again}`)
}

type ListedRun = RunSummary & { readonly inline?: InlineState; readonly budget?: PotState; readonly usage?: RunUsage }

async function withMore(selvage: Selvage, run: RunSummary, { usage }: ListOptions): Promise<ListedRun> {
  const budget = await selvage.pot(`run:${run.id}`)
  return {
    ...(await withInline(selvage, run)),
    ...(budget !== undefined && { budget }),
    ...(usage === true && { usage: await selvage.run(run.id).usage() }),
  }
}

/** What its status does not say follows from its journal, which is looked at for these runs only. */
async function withInline(selvage: Selvage, run: RunSummary): Promise<RunSummary & { readonly inline?: InlineState }> {
  if (!isInline(run) || run.endedAt !== undefined) return run
  const { inline } = await selvage.run(run.id).status()
  return inline === undefined ? run : { ...run, inline }
}

function queryOf(options: ListOptions): RunQuery {
  const { status, program, tenant, limit, after, tag } = options
  return {
    ...(status === undefined ? {} : { status: status.map(statusOf) }),
    ...(program === undefined ? {} : { program }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(tag === undefined ? {} : { tag: tagOf(tag) }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  }
}

function statusOf(text: string): RunStatus {
  const status = STATUSES.find((candidate) => candidate === text)
  if (status !== undefined) return status
  throw new UsageError('BAD_INPUT', `--status ${text}: no such status.`, { hint: `Use one of ${STATUSES.join(', ')}.` })
}

export function tagOf(text: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf('=')
  if (equals > 0) return { key: text.slice(0, equals), value: text.slice(equals + 1) }
  throw new UsageError('BAD_INPUT', `--tag ${text}: a tag is written key=value.`)
}

function tenantOf(tenant: string | undefined): readonly string[] {
  return tenant === undefined ? [] : [`@${tenant}`]
}
