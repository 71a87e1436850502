/**
 * `selvage retry` and `selvage discard` of many runs. What would be done is listed; it is done with `--yes` only, for a
 * query that is a little too wide takes runs that nobody thought of.
 */
import type { RunStatus } from '@selvage/core'
import { UsageError } from '@selvage/core'
import type { BulkPage, BulkQuery, Run, Selvage } from 'selvage/core'
import { EXIT } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { table } from '../table.ts'
import { brief, statusWord } from '../words.ts'
import { tagOf } from './list.ts'

export interface BulkOptions {
  readonly failed?: boolean
  readonly cancelled?: boolean
  readonly completed?: boolean
  readonly program?: string
  readonly tenant?: string
  readonly tag?: string
  readonly limit?: number
  readonly yes?: boolean
  readonly force?: boolean
}

type Verb = 'retry' | 'discard'

/** Whether the options name runs by what they are. */
export function isBulk(id: string | undefined, options: BulkOptions): boolean {
  const { failed, cancelled, completed, program, tenant, tag } = options
  const named = [failed, cancelled, completed, program, tenant, tag].some((option) => option !== undefined)
  if (id === undefined && !named) {
    throw new UsageError('BAD_INPUT', 'Name a run, or say which: --failed, --cancelled, --program, --tenant, --tag.')
  }
  if (id !== undefined && named) throw new UsageError('BAD_INPUT', 'Name a run, or say which ones; not both.')
  return named
}

/** One run by its id: it is shown what would go, until somebody says yes. */
export async function discardOne(
  { output }: Session,
  run: Run,
  { yes = false, force = false }: BulkOptions,
): Promise<void> {
  if (!yes) {
    const { status, program, entries } = await run.status()
    if (output.json) return output.document({ runId: run.id, status, done: false })
    output.line(`Run ${run.id} of ${program} is ${status}, with ${entries} entries.`)
    return output.note('Nothing was done. With --yes it is gone for good, with all runs below it.')
  }
  const gone = await run.discard({ force })
  if (output.json) output.document({ runId: run.id, done: true, gone })
  else output.line(`Gone: ${gone.join(', ')}.`)
}

/** At most `limit` runs (default 1,000), newest first. */
export async function bulk({ selvage, output }: Session, verb: Verb, options: BulkOptions): Promise<void> {
  const { limit = 1_000, yes = false } = options
  const items: BulkPage['items'][number][] = []
  let after: string | undefined
  // All are found before the first is touched: a run that is retried and fails again is not taken twice.
  do {
    const page = await call(selvage, verb, { ...queryOf(options), dryRun: true, ...(after !== undefined && { after }) })
    items.push(...page.items)
    after = page.next
  } while (after !== undefined && items.length < limit)
  const chosen = items.slice(0, limit)
  const result: BulkPage['items'] = yes ? await each(selvage, verb, chosen, options) : chosen
  const failed = result.filter(({ done }) => done === false).length
  if (failed > 0) process.exitCode = EXIT.conflict
  if (output.json) return output.document({ verb, done: yes, items: result })
  if (result.length === 0) return output.note('No such runs.')
  const rows = result.map(({ id, program, status, done, error }) => [
    brief(id, 500),
    statusWord(output, status),
    brief(program, 60),
    done === undefined ? '' : done ? `${verb}ed`.replace('retryed', 'retried') : `not done: ${error?.message}`,
  ])
  for (const line of table(rows, output.width)) output.line(line)
  if (!yes)
    output.note(
      `Nothing was done. With --yes ${verb === 'retry' ? 'these go on' : 'these are gone for good'}: ${result.length}.`,
    )
  else output.note(`${result.length - failed} done, ${failed} not.`)
}

async function each(
  selvage: Selvage,
  verb: Verb,
  items: BulkPage['items'],
  { force = false }: BulkOptions,
): Promise<BulkPage['items']> {
  const done: BulkPage['items'][number][] = []
  for (const item of items) {
    const run = selvage.run(item.id)
    try {
      if (verb === 'retry') await run.retry()
      else await run.discard({ force })
      done.push({ ...item, done: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      done.push({ ...item, done: false, error: { code: String(error.code), message: error.message } })
    }
  }
  return done
}

function call(selvage: Selvage, verb: Verb, query: BulkQuery): Promise<BulkPage> {
  return verb === 'retry' ? selvage.retryAll(query) : selvage.discardAll(query)
}

function queryOf(options: BulkOptions): BulkQuery {
  const { program, tenant, tag } = options
  const flags = { failed: options.failed, cancelled: options.cancelled, completed: options.completed }
  const status = (Object.keys(flags) as (keyof typeof flags)[]).filter((name) => flags[name]) satisfies RunStatus[]
  return {
    limit: 1_000,
    ...(status.length > 0 && { status }),
    ...(program !== undefined && { program }),
    ...(tenant !== undefined && { tenant }),
    ...(tag !== undefined && { tag: tagOf(tag) }),
  }
}
