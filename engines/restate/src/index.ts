export { type RestateEngine, restateEngine } from './engine.ts'
export type { RestateOptions } from './options.ts'
export { type InsideOptions, runInside } from './run-inside.ts'
export type { ListenOptions } from './worker.ts'
