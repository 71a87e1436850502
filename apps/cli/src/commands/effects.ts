import type { EffectQuery, EffectRecord } from 'selvage/core'
import type { Output } from '../output.ts'
import { quote, type Session } from '../session.ts'
import { table } from '../table.ts'
import { ago, brief, plural } from '../words.ts'

export interface EffectsOptions {
  readonly state?: EffectRecord['state']
  readonly effect?: NonNullable<EffectQuery['effect']>
  readonly name?: string
  readonly program?: string
  readonly tenant?: string
  readonly limit?: number
  readonly after?: string
}

const COLOUR = { intended: 'yellow', done: 'green', failed: 'magenta', unknown: 'red' } as const

/** `selvage effects [<run>]`: one page of what was done outside, unknown outcomes first. */
export async function effects(
  { selvage, output, again }: Session,
  runId: string | undefined,
  options: EffectsOptions,
): Promise<void> {
  const page = await selvage.effects(queryOf(runId, options))
  if (output.json) return output.document(page)
  const more =
    page.next === undefined
      ? undefined
      : `More: selvage effects${runId === undefined ? '' : ` ${quote(runId)}`} --after ${quote(page.next)}${again}`
  if (page.items.length === 0) return output.note(more ?? `No such effects in ${selvage.location}.`)
  const now = Date.now()
  const head = ['STATE', 'EFFECT', 'NAME', 'RUN', 'STEP', 'ATTEMPT', 'INTENDED', 'BY', ''].map((name) =>
    output.style('dim', name),
  )
  const rows = page.items.map((record) => [
    output.style(COLOUR[record.state], record.state),
    record.effect,
    brief(record.name, 60),
    brief(record.runId, 500),
    brief(record.step, 120),
    String(record.attempt),
    ago(record.intendedAt, now),
    record.by === undefined ? '' : `pid ${record.by.pid}`,
    brief(aboutOf(record), 160),
  ])
  for (const line of table([head, ...rows], output.width)) output.line(line)
  const unknown = page.items.filter(({ state }) => state === 'unknown')
  if (unknown.length > 0) {
    const [first] = unknown
    const told = `${plural(unknown.length, 'outcome is', 'outcomes are')} unknown`
    output.note(`${told}. What is known and how to answer: selvage show ${quote(first?.runId ?? '')}${again}`)
  }
  if (more !== undefined) output.note(more)
}

/** What `selvage show` says of effects whose outcome nobody knows. */
export function unknownLines(output: Output, records: readonly EffectRecord[]): string[] {
  return records.flatMap(({ name, step, id, reason, input }) => [
    `${output.style('red', 'unknown')}  whether ${brief(name, 60)} happened (step ${brief(step, 120)})`,
    `  ${brief(reason ?? '', 200)}`,
    `  ${output.style('dim', 'idempotency key')} ${id}`,
    ...(input === undefined ? [] : [`  ${output.style('dim', 'input')} ${brief(JSON.stringify(input) ?? '', 200)}`]),
  ])
}

function aboutOf({ error, reason, answer, input }: EffectRecord): string {
  if (answer !== undefined) {
    const who = answer.by === undefined ? 'somebody' : answer.by
    return `${who} says that it ${answer.happened ? 'happened' : 'did not happen'}`
  }
  return error?.message ?? reason ?? (input === undefined ? '' : (JSON.stringify(input) ?? ''))
}

function queryOf(runId: string | undefined, options: EffectsOptions): EffectQuery {
  const { state, effect, name, program, tenant, limit, after } = options
  return {
    ...(runId === undefined ? {} : { runId }),
    ...(state === undefined ? {} : { state }),
    ...(effect === undefined ? {} : { effect }),
    ...(name === undefined ? {} : { name }),
    ...(program === undefined ? {} : { program }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  }
}
