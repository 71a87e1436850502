export { openSelvage } from './core.ts'
export { CoreSelvage as Selvage } from './core-selvage.ts'
export * from './exports.ts'
