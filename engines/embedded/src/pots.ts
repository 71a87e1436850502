/** The pots of the store, where a raise is told to all who wait for it: the questions that are open for want of it. */
import type { Json, Pots, SignalReceipt, Store } from '@selvage/core'
import { SelvageError } from '@selvage/core'

type Answer = (runId: string, questionId: string, payload: Json) => Promise<SignalReceipt>

const PAGE = 500

export function potsOf(store: Store, pots: Pots, answer: Answer): Pots {
  return {
    open: (specs) => pots.open(specs),
    read: (ids) => pots.read(ids),
    reserve: (reservation) => pots.reserve(reservation),
    settle: (settlement) => pots.settle(settlement),
    async raise(id, by, raiseId) {
      const pot = await pots.raise(id, by, raiseId)
      await answerAll(store, id, answer)
      return pot
    },
  }
}

/** The first answer of anybody stands; a run for which it is still not enough asks again. */
async function answerAll(store: Store, pot: string, answer: Answer): Promise<void> {
  for (let after: string | undefined; ; ) {
    const query = { kind: 'budget', status: 'open', limit: PAGE } as const
    const page = await store.questions(after === undefined ? query : { ...query, after })
    for (const { id, runId, reason } of page.items) {
      if (!isFor(reason, pot)) continue
      try {
        await answer(runId, id, { approved: true, value: { raised: true } })
      } catch (error) {
        if (!SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    if (page.next === undefined) return
    after = page.next
  }
}

function isFor(reason: Json | undefined, pot: string): boolean {
  return typeof reason === 'object' && reason !== null && 'pot' in reason && reason.pot === pot
}
