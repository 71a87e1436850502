/**
 * Named places at every durable write, where a test can stop the world or kill the process. A probe without a listener
 * costs one comparison. Names are listed here, so that the crash matrix covers all of them and no other.
 */
export const PROBES = [
  'host.before-effect',
  'host.after-effect',
  'host.before-append',
  'host.after-append',
  'host.before-reply',
  'host.before-wait',
  'host.before-end',
  'store.before-commit',
  'store.after-commit',
  'store.before-blob',
  'store.after-blob',
  'engine.after-claim',
  'engine.before-suspend',
  'engine.after-suspend',
  'engine.before-rotate',
  'engine.after-rotate',
  'engine.before-finish',
  'engine.after-finish',
  'engine.before-signal',
  'engine.after-signal',
  'engine.after-claim-message',
  'engine.after-delivery',
  'engine.after-settle-message',
] as const

export type ProbeName = (typeof PROBES)[number]

let listener: ((name: ProbeName) => void) | undefined

/** Called by our code at a durable write. */
export function probe(name: ProbeName): void {
  if (listener !== undefined) listener(name)
}

/** Installs a listener (tests only); the returned function removes it. */
export function onProbe(next: (name: ProbeName) => void): () => void {
  listener = next
  return () => {
    if (listener === next) listener = undefined
  }
}
