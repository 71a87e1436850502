/** What people are asked, with its values as the programs gave them. */
import type { Engine, Page, QuestionQuery, QuestionRecord } from '@selvage/core'
import { decode, refuseUnknown, UsageError } from '@selvage/core'
import { APPROVALS } from '../option-names.ts'
import { checkFilters } from '../runs/query.ts'
import type { Records } from '../runs/records.ts'

export interface ApprovalQuery extends Omit<QuestionQuery, 'status'> {
  /** Default `open`. */
  readonly status?: QuestionRecord['status'] | 'any'
}

/** A question with its values as the program gave them. */
export interface Approval extends Omit<QuestionRecord, 'input' | 'reason'> {
  readonly input?: unknown
  readonly reason?: unknown
}

export class Inbox {
  readonly #engine: Engine
  readonly #records: Records

  constructor(engine: Engine, records: Records) {
    this.#engine = engine
    this.#records = records
  }

  async page(query: ApprovalQuery): Promise<Page<Approval>> {
    refuseUnknown('approvals()', query, APPROVALS)
    checkFilters('approvals()', query)
    const engine = this.#engine
    if (engine.questions === undefined) throw keepsNo(engine, 'list of approvals', 'Look at run.events().')
    const { status = 'open', ...rest } = query
    const asked = status === 'any' ? rest : { ...rest, status }
    let page = await engine.questions(asked)
    // Callbacks are answered by systems: they are listed when asked for. A page of nothing else is not the end.
    while (query.kind === undefined && page.next !== undefined && page.items.every(isCallback)) {
      page = await engine.questions({ ...asked, after: page.next })
    }
    const items = query.kind === undefined ? page.items.filter((item) => !isCallback(item)) : page.items
    return { ...page, items: await Promise.all(items.map((item) => this.shown(item))) }
  }

  /** NOT_FOUND. */
  async approval(id: string): Promise<Approval> {
    return this.shown(await this.question(id))
  }

  /** As it is recorded. NOT_FOUND. */
  async question(id: string): Promise<QuestionRecord> {
    const engine = this.#engine
    if (engine.question === undefined) throw keepsNo(engine, 'questions', 'Look at run.events().')
    return engine.question(id)
  }

  async shown({ input, reason, ...record }: QuestionRecord): Promise<Approval> {
    return {
      ...record,
      ...(input === undefined ? {} : { input: decode(await this.#records.value(input)) }),
      ...(reason === undefined ? {} : { reason: decode(await this.#records.value(reason)) }),
    }
  }
}

/** UNSUPPORTED: what cannot be listed, and what to do instead. */
export function keepsNo({ manifest }: Engine, what: string, instead: string): UsageError {
  return new UsageError('UNSUPPORTED', `Engine '${manifest.name}' keeps no ${what}.`, { hint: instead })
}

function isCallback(question: QuestionRecord): boolean {
  return question.kind === 'callback'
}
