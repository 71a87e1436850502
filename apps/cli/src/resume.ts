/**
 * How another process goes on with a run. Agents, sessions, graphs and swarms fold: each of their scopes notes what its
 * code was (`agent`) as it begins. Every other program replays.
 */
import type { Entry } from '@selvage/core'

export type Resume = 'fold' | 'replay'

/** Undefined for a run that has done nothing yet. */
export function resumeOf(entries: readonly Entry[]): Resume | undefined {
  if (entries.some((entry) => entry.type === 'state' && /(?:^|\/)agent$/.test(entry.key))) return 'fold'
  return entries.some(({ type }) => type !== 'start' && type !== 'signal' && type !== 'end') ? 'replay' : undefined
}

export const RESUMES: { readonly [way in Resume]: string } = {
  fold: 'folding its journal: what is recorded stands, nothing of it runs again',
  replay: 'replaying its function against the journal',
}
