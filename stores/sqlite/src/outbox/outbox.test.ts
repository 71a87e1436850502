import { expect, test } from 'vitest'
import { place } from '../../test/place.ts'
import { plan } from '../../test/plan.ts'
import type { Value } from '../database.ts'
import { DUE_MESSAGES, messagesStatement, NEXT_DUE_MESSAGE, NEXT_IN_LANE, ORPHAN } from './outbox.ts'

test('nothing is found by looking at all messages', async () => {
  const here = place()
  const file = await here.open()
  const statements: readonly (readonly [string, readonly Value[]])[] = [
    [DUE_MESSAGES, ['mail', 1, 1]],
    [NEXT_DUE_MESSAGE, ['mail']],
    [NEXT_IN_LANE, [1, null, 1]],
    [ORPHAN, [1, 'w']],
    ...([{ runId: 'r' }, { state: 'dead' }, { state: 'waiting', topic: 'mail' }] as const).map((query) => {
      const { sql, values } = messagesStatement(query, 10)
      return [sql, values] as const
    }),
  ]
  for (const [sql, values] of statements) {
    expect(
      plan(here.path, sql, values).filter((line) => /^SCAN/.test(line)),
      sql,
    ).toEqual([])
  }
  await file.close()
  await here.close()
})
