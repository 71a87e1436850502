export { type DbosEngine, type DbosOptions, dbosEngine } from './engine.ts'
