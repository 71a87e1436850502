/** For whoever writes a store: what is the same in all of them, whatever the database. */
export { isOfChild } from '../fibers/told-parent.ts'
export * from './inbox.ts'
export * from './labels.ts'
export * from './pages.ts'
export * from './refusals.ts'
