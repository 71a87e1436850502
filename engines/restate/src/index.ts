export { type RestateEngine, type RestateOptions, restateEngine } from './engine.ts'
export { type InsideOptions, runInside } from './run-inside.ts'
export type { ListenOptions } from './worker.ts'
