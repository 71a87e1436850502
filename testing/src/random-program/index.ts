/**
 * Random programs for an engine of your own: draw cases with `anyCase`, build a `Stage` around your engine, and let
 * `judge` say what did not hold. Imports fast-check.
 */
export { anyCase, type Mode, sequentialCase } from './any-case.ts'
export { anyPlan, sequentialPlan } from './arbitrary.ts'
export { type Case, judge, type MakeRuntime, runCase } from './case.ts'
export { planProgram } from './interpret.ts'
export { type Effects, type Ledger, Outside, type Seen, type Sight } from './outside.ts'
export type { Plan, StepPlan } from './plan.ts'
export type { Stage } from './stage.ts'
