/** The refund experiment, for programs of your own: docs/yardstick.md. */
export type { Asking, Outside } from '../crash/outside.ts'
export { faults, figure, type RefundProgram, type Refunds, refunds } from './experiment.ts'
export { byStatement, lookedUp, type Returned, WAYS, type Way } from './returns.ts'
export { withoutSelvage } from './without-selvage.ts'
