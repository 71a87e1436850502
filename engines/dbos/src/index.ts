export { type DbosEngine, dbosEngine } from './engine.ts'
export type { DbosOptions } from './options.ts'
