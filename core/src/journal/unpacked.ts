/** The values of a journal as its program gave them, for one that folds it: what lies in blobs is fetched. */
import type { Offload } from '../values/offload.ts'
import type { Entry } from './entry.ts'

/** Mostly nothing has to be fetched, and they are given back as they are: journals are long. */
export function unpacked(entries: readonly Entry[], offload: Offload): Promise<readonly Entry[]> | readonly Entry[] {
  const isWhole = (entry: Entry): boolean =>
    entry.type !== 'step' || !('ok' in entry.outcome) || offload.unpack(entry.outcome.ok) === entry.outcome.ok
  return entries.every(isWhole) ? entries : fetched(entries, offload)
}

async function fetched(entries: readonly Entry[], offload: Offload): Promise<readonly Entry[]> {
  const whole: Entry[] = []
  for (const entry of entries) {
    const ok = entry.type === 'step' && 'ok' in entry.outcome ? offload.unpack(entry.outcome.ok) : undefined
    if (ok === undefined || entry.type !== 'step' || !('ok' in entry.outcome) || ok === entry.outcome.ok)
      whole.push(entry)
    else whole.push({ ...entry, outcome: { ok: await ok } })
  }
  return whole
}
