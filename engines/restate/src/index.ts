export { type RestateEngine, type RestateOptions, restateEngine } from './engine.ts'
export type { ListenOptions } from './worker.ts'
