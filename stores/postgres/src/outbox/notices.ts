/** Who is told of what: triggers turn what becomes true into messages (schema/0001.sql). */
import { FORGET_SUBSCRIBER_MS, type Subscription } from '@selvage/core'
import type { Rows } from '../database.ts'
import { toText } from '../text.ts'

/** Inside a transaction: from now on these topics are sent their notices, and none that they do not want any more. */
export async function subscribe(rows: Rows, subscriptions: readonly Subscription[], now: number): Promise<void> {
  for (const { topic, notices } of subscriptions) {
    await rows.run(
      `insert into subscriber (topic, notices, seen) values ($1, $2::text[], $3)
         on conflict (topic) do update set notices = excluded.notices, seen = excluded.seen`,
      toText(topic),
      notices,
      now,
    )
  }
}

/** Inside a transaction: a subscriber that nobody serves any more is forgotten, with what waits for it. */
export async function forgetSubscribers(rows: Rows, now: number): Promise<void> {
  const sql = 'delete from subscriber where seen < $1'
  if ((await rows.run(sql, now - FORGET_SUBSCRIBER_MS)) === 0) return
  await rows.run('delete from outbox where notice is not null and topic not in (select topic from subscriber)')
}
