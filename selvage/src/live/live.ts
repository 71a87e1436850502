/** Live notes between the processes of one database, beside the journal. */
import type { Host } from '@selvage/core'
import { type Ears, Listener } from './listener.ts'
import { placeOf } from './place.ts'
import { Teller } from './teller.ts'

/** What a reader hears of a run that other processes work on. */
export interface Elsewhere {
  /** Resolves when everything that was told before the call has been heard. */
  settled(): Promise<void>
  close(): void
}

export interface Live {
  /** Readers in other processes hear of the runs of this host. */
  tellOf(host: Host): void
  listen(runId: string, ears: Ears): Elsewhere | undefined
  close(): void
}

/** Undefined where there is no database that two processes could share. */
export function openLive(location: string): Live | undefined {
  const database = /^sqlite:(\/.+)$/.exec(location)?.[1] ?? /^postgres:.+$/.exec(location)?.[0]
  if (database === undefined) return undefined
  // Made when it is needed, and again if the last one who left has taken it away.
  const meet = (): string | undefined => placeOf(database)
  const teller = new Teller(meet)
  return {
    tellOf: (host) => teller.tellOf(host),
    listen: (runId, ears) => {
      const place = meet()
      return place === undefined ? undefined : new Listener(place, () => teller.socket, runId, ears)
    },
    close: () => teller.close(),
  }
}
