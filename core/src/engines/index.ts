/**
 * For whoever writes an engine whose journal lies in another system: what is the same on all of them, whatever the system.
 *
 *   OutsideEngine   commands and reads, on a few verbs of the adapter's
 *   ReadingEngine   the same for one without an index: what it lists, it reads
 *   Stretch         what the process that drives a run knows of it, between two records of the engine's own
 *   ClaimedStretch  the same where attempts are not counted by the engine: each process claims what it takes up
 *   Changes         who waits for a change
 *   Places          how many advances a worker makes at once
 */

export * from '../fibers/told-parent.ts'
export * from '../journal/asked-questions.ts'
export * from './advanced.ts'
export * from './changes.ts'
export * from './claimed-stretch.ts'
export * from './described.ts'
export * from './host-on.ts'
export * from './inside.ts'
export * from './outside-engine.ts'
export * from './places.ts'
export * from './platform.ts'
export * from './reading-engine.ts'
export * from './refusals.ts'
export * from './stretch.ts'
