/**
 * Many dead runs at once. A bulk call takes a page of runs like `runs(query)`, with the same cursor, and says of each what
 * became of it: one that cannot be done does not keep the others from it. With `dryRun` it only says which runs it would
 * take. Children go with their parents and are left out; nothing that has not ended is touched.
 */
import type { DiscardOptions, Engine, Page, RunQuery, RunStatus, RunSummary } from '@selvage/core'
import { isInfrastructure, refuseNoSwitch, refuseUnknown, SelvageError, UsageError } from '@selvage/core'
import { DISCARD_ALL, RETRY_ALL } from '../option-names.ts'
import { checkFilters } from './query.ts'

export interface BulkQuery extends Omit<RunQuery, 'parent'> {
  /** Of `failed` and `cancelled`, and to discard also `completed`. Default `failed`. */
  readonly status?: RunStatus | readonly RunStatus[]
  /** Changes nothing: says which runs would be taken. */
  readonly dryRun?: boolean
}

export interface BulkItem {
  readonly id: string
  readonly program: string
  readonly status: RunStatus
  /** Absent with `dryRun`. */
  readonly done?: boolean
  /** Why it could not be done. */
  readonly error?: { readonly code: string; readonly message: string }
}

/** `next`: the cursor of the page behind this one, as for `runs`. A page may hold fewer runs than its limit, or none. */
export type BulkPage = Page<BulkItem>

const RETRIED: readonly RunStatus[] = ['failed', 'cancelled']
const DISCARDED: readonly RunStatus[] = ['failed', 'cancelled', 'completed']

export async function retryAll(engine: Engine, query: BulkQuery): Promise<BulkPage> {
  refuseUnknown('retryAll()', query, RETRY_ALL)
  return overRuns(engine, query, 'retryAll', RETRIED, async (id) => {
    if (engine.retry === undefined) throw lacks(engine, 'retry ended runs', 'Start new runs with the same input.')
    await engine.retry(id)
  })
}

export async function discardAll(engine: Engine, query: BulkQuery & DiscardOptions): Promise<BulkPage> {
  refuseUnknown('discardAll()', query, DISCARD_ALL)
  const { force = false, ...rest } = query
  refuseNoSwitch('force of discardAll()', force)
  return overRuns(engine, rest, 'discardAll', DISCARDED, async (id) => void (await discardRun(engine, id, { force })))
}

export function discardRun(engine: Engine, id: string, options: DiscardOptions): Promise<readonly string[]> {
  if (engine.discard === undefined) throw lacks(engine, 'discard runs', 'Its own retention ends them.')
  return engine.discard(id, options)
}

async function overRuns(
  engine: Engine,
  { dryRun = false, status = 'failed', ...query }: BulkQuery,
  what: string,
  allowed: readonly RunStatus[],
  act: (id: string) => Promise<void>,
): Promise<BulkPage> {
  if (engine.list === undefined) throw lacks(engine, 'list runs', 'Retry or discard each by its id.')
  checkFilters(`${what}()`, query)
  refuseNoSwitch(`dryRun of ${what}()`, dryRun)
  const wanted = typeof status === 'string' ? [status] : status
  const wrong = wanted.find((one) => !allowed.includes(one))
  if (wrong !== undefined) {
    throw new UsageError('BAD_INPUT', `${what} does not take runs that are ${wrong}.`, {
      hint: `It takes ${allowed.join(', ')}.`,
    })
  }
  const { items, next } = await engine.list({ ...query, status: wanted })
  const done: BulkItem[] = []
  for (const run of items) {
    if (run.parent !== undefined && (await isThere(engine, run.parent))) continue
    done.push(dryRun ? itemOf(run) : { ...itemOf(run), ...(await outcomeOf(() => act(run.id))) })
  }
  return { items: done, ...(next !== undefined && { next }) }
}

function itemOf({ id, program, status }: RunSummary): BulkItem {
  return { id, program, status }
}

async function outcomeOf(act: () => Promise<void>): Promise<Pick<BulkItem, 'done' | 'error'>> {
  try {
    await act()
    return { done: true }
  } catch (error) {
    // What says something of this run says nothing of the others; a database that cannot be used does.
    if (!SelvageError.is(error) || error.code === 'UNSUPPORTED' || isInfrastructure(error)) throw error
    return { done: false, error: { code: error.code, message: error.message } }
  }
}

async function isThere(engine: Engine, runId: string): Promise<boolean> {
  try {
    await engine.describe(runId)
    return true
  } catch (error) {
    if (SelvageError.is(error, 'NOT_FOUND')) return false
    throw error
  }
}

function lacks({ manifest }: Engine, what: string, instead: string): UsageError {
  return new UsageError('UNSUPPORTED', `Engine '${manifest.name}' cannot ${what}.`, { hint: instead })
}
