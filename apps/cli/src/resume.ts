/**
 * How another process goes on with a run. Agents, sessions, graphs and swarms fold: each of their scopes notes what its
 * code was (`agent`) as it begins. Of a graph or swarm only the agents of its nodes do; it runs again itself, and its hooks
 * and conditions are heard again. Every other program replays.
 */
import type { Entry } from '@selvage/core'

export type Resume = 'fold' | 'replay'

/** Undefined for a run that has done nothing yet. */
export function resumeOf(entries: readonly Entry[]): Resume | undefined {
  if (foldingScopes(entries).length > 0) return 'fold'
  return entries.some(({ type }) => type !== 'start' && type !== 'signal' && type !== 'end') ? 'replay' : undefined
}

/** The same for people; undefined for a run that has done nothing yet. */
export function resumeWords(entries: readonly Entry[]): string | undefined {
  const scopes = foldingScopes(entries)
  if (scopes.length > 0 && scopes.every((scope) => scope.startsWith('node:'))) return WORDS.nodes
  const resume = resumeOf(entries)
  return resume === undefined ? undefined : WORDS[resume]
}

const WORDS = {
  fold: 'folding its journal: what is recorded stands, nothing of it runs again',
  nodes:
    'running from the top past what is recorded: no finished node runs again, open ones go on inside; hooks and conditions of the graph are heard again',
  replay: 'replaying its function against the journal',
}

/** Where agents have begun: `''` for the run's own, else where it is inside of the run. */
function foldingScopes(entries: readonly Entry[]): string[] {
  return entries.flatMap((entry) => {
    const scope = entry.type === 'state' ? /^(|.*\/)agent$/s.exec(entry.key)?.[1] : undefined
    return scope === undefined ? [] : [scope]
  })
}
