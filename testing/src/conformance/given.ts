import { scenario } from '../crash/order.ts'
import type { Given } from '../crash/site.ts'

/** The scenario of the sections. Child processes load the built module. */
export const ORDER: Given = { scenario, module: new URL('../../dist/crash/order.js', import.meta.url).href }

/** Of any number of processes: what their lives cost is not what is tested. */
export const PATIENT_MS = 240_000
