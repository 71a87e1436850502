/**
 * Notices in the outbox: triggers turn what becomes true of runs, questions and steps into messages, in the commit that
 * makes it true, whatever process commits. They, and the table of subscribers, are made with the first subscription:
 * where there is none, nothing is looked at.
 *
 * A notice that was delivered is deleted: it is told, and the journal has what it told of.
 */
import { FORGET_SUBSCRIBER_MS, NOTICES, type NoticeType, type Subscription } from '@selvage/core'
import type { Database } from '../database.ts'
import { TYPE } from '../journal/entries.ts'
import { hasSeats } from '../questions/seats.ts'
import { toText } from '../text.ts'

interface Trigger {
  readonly notice: NoticeType
  readonly after: string
  readonly when: string
  /** What JSON it has beside its type. */
  readonly told: string
  /** Default: that of the row. */
  readonly run?: string
  /** Where what is told stands in another table. */
  readonly from?: string
}

const OF_RUN = { after: 'update of status on run', run: 'new.n', told: `'at', new.updated` }
const QUESTION = `'question', new.id`
/** Callbacks are questions to systems, which have been told of them by the program. */
const ASKED = 'new.kind <> 2'
const LAST_AT = '(select at from entry order by n desc limit 1)'
const OF_SEAT = {
  run: 'question.run',
  from: 'from question where n = new.question',
}

const TRIGGERS: readonly Trigger[] = [
  { ...OF_RUN, notice: 'run.started', when: 'new.status = 1 and old.fence = 0' },
  {
    ...OF_RUN,
    notice: 'run.suspended',
    when: 'new.status = 2 and old.status <> 2',
    told: `'at', new.updated, 'waitsFor', json(new.waits)`,
  },
  { ...OF_RUN, notice: 'run.completed', when: 'new.status = 3 and old.status <> 3' },
  { ...OF_RUN, notice: 'run.failed', when: 'new.status = 4 and old.status <> 4' },
  { ...OF_RUN, notice: 'run.cancelled', when: 'new.status = 5 and old.status <> 5' },
  { ...OF_RUN, notice: 'run.retried', when: 'new.status = 0 and old.status in (4, 5)' },
  { notice: 'question.opened', after: 'insert on question', when: `${ASKED} and new.level is null`, told: QUESTION },
  {
    // Asked again after a retry.
    notice: 'question.opened',
    after: 'update of entry on question',
    when: `${ASKED} and new.entry <> old.entry and new.status = 0`,
    told: QUESTION,
  },
  { notice: 'question.escalated', after: 'insert on question', when: 'new.level is not null', told: QUESTION },
  { notice: 'budget.exceeded', after: 'insert on question', when: 'new.kind = 4', told: QUESTION },
  {
    notice: 'question.reminder',
    after: 'insert on entry',
    when: `new.type & 15 = ${TYPE.wait} and new.body is null and new.key like '%/reminder#%'`,
    run: 'new.run',
    told: `'at', new.at, 'question', id`,
    from: `from question where run = new.run and key = substr(new.key, 1, instr(new.key, '/reminder#') - 1)`,
  },
  {
    notice: 'question.delegated',
    after: 'update of assignee on question',
    when: 'new.assignee is not old.assignee and new.entry = old.entry',
    told: `${QUESTION}, 'from', old.assignee, 'to', new.assignee`,
  },
  {
    ...OF_SEAT,
    notice: 'question.delegated',
    after: 'update of assignee on seat',
    when: 'new.assignee <> old.assignee',
    told: `'question', id, 'seat', new.seat, 'from', old.assignee, 'to', new.assignee`,
  },
  {
    ...OF_SEAT,
    notice: 'question.voted',
    after: 'update of voted on seat',
    when: 'new.voted > old.voted',
    told: `'question', id, 'seat', new.seat`,
  },
  {
    notice: 'question.answered',
    after: 'update of status on question',
    when: `${ASKED} and new.status = 1 and old.status = 0`,
    told: QUESTION,
  },
  {
    notice: 'question.expired',
    after: 'update of status on question',
    when: `${ASKED} and new.status = 2 and old.status <> 2`,
    told: `'at', ${LAST_AT}, ${QUESTION}`,
  },
  {
    notice: 'effect.unknown',
    after: 'insert on entry',
    when: `new.type & 15 = ${TYPE.stepUnknown}`,
    told: `'at', new.at, 'step', new.key`,
  },
]

const SUBSCRIBERS = [
  // `notices`: bits, in the order of NOTICES. `seen`: when it was served last.
  'create table if not exists subscriber (topic text primary key, notices integer not null, seen integer not null) without rowid',
  `create view if not exists tell as select 0 as run, 0 as bit, '' as notice where false`,
  // One row put in there is a message to each subscriber that wants it, behind those of the same run to the same one.
  `create trigger if not exists told instead of insert on tell begin
    insert into outbox (id, run, topic, lane, entry, place, state, due, notice)
      select 'ntf_' || lower(hex(randomblob(11))), new.run, topic, topic, 0, 0, 0,
        case when exists (select 1 from outbox where outbox.run = new.run and state in (0, 1) and lane = subscriber.topic)
          then null else ${LAST_AT} end,
        new.notice
      from subscriber where notices & new.bit; end`,
]

function bitOf(notice: NoticeType): number {
  return 2 ** NOTICES.indexOf(notice)
}

function triggerSql({ notice, after, when, told, run = 'new.run', from = '' }: Trigger, index: number): string {
  const message = `json_object('type', '${notice}', ${told})`
  return `create trigger if not exists notice_${index} after ${after} when ${when}
    begin insert into tell select ${run}, ${bitOf(notice)}, ${message} ${from}; end`
}

/** Inside a unit: from now on these topics are sent their notices, and none that they do not want any more. */
export function subscribe(database: Database, subscriptions: readonly Subscription[], now: number): void {
  for (const sql of SUBSCRIBERS) database.exec(sql)
  watch(database, (on) => on !== 'seat')
  watchSeats(database)
  for (const { topic, notices } of subscriptions) {
    const bits = notices.reduce((sum, notice) => sum + bitOf(notice), 0)
    database.run(
      `insert into subscriber (topic, notices, seen) values (?, ?, ?)
         on conflict (topic) do update set notices = excluded.notices, seen = excluded.seen`,
      toText(topic),
      bits,
      now,
    )
  }
}

/** Inside a unit: the table of seats may have been made after the first subscription, or before. */
export function watchSeats(database: Database): void {
  if (hasSubscribers(database) && hasSeats(database)) watch(database, (on) => on === 'seat')
}

/** Inside a unit: a subscriber that nobody serves any more is forgotten, with what waits for it. */
export function forgetSubscribers(database: Database, now: number): void {
  if (!hasSubscribers(database)) return
  if (database.run('delete from subscriber where seen < ?', now - FORGET_SUBSCRIBER_MS) === 0) return
  database.run('delete from outbox where notice is not null and topic not in (select topic from subscriber)')
}

function hasSubscribers(database: Database): boolean {
  return database.get("select 1 from sqlite_schema where type = 'table' and name = 'subscriber'") !== undefined
}

function watch(database: Database, isMeant: (table: string) => boolean): void {
  for (const [index, trigger] of TRIGGERS.entries()) {
    if (isMeant(trigger.after.split(' ').at(-1) ?? '')) database.exec(triggerSql(trigger, index))
  }
}
