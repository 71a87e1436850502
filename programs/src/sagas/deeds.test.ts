import type { Durable, StepBehaviour } from '@selvage/core'
import { expect, test } from 'vitest'
import { Deeds, type Undo } from './deeds.ts'

test('what becomes of an intent once it is decided what is undone changes nothing of that', async () => {
  const durable = { history: [], isReplaying: false, now: () => 1, state: async () => {} } as unknown as Durable
  const deeds = new Deeds(durable)
  const deed = await deeds.begin({ key: 'seat', kind: 'code', name: 'seat' }, 'once', {} as Undo)
  const behaviour: StepBehaviour<unknown> = { reconcile: () => ({ done: false }) }
  const [, watched] = deeds.watched(deed, () => 'done', behaviour)
  // As where its process died: nobody knows, and the target system is to be asked.
  deeds.isClosed = true
  deed.state = 'unknown'
  const asked = { input: undefined, idempotencyKey: 'k', intendedAt: 1, attempt: 1 }
  await watched.reconcile?.({ ...asked, abortSignal: new AbortController().signal })
  watched.settled?.({ error: { name: 'AbortError', message: 'cancelled', code: 'RUN_CANCELLED' } })
  expect(deed.state).toBe('unknown')
})
