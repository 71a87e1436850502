/**
 * The main module of a process that takes goods back without Selvage: the same function, and a gate that is none. Like any
 * program that was not written to be killed, it begins anew when it is started again, and has no key to tell the bank.
 */
import { EffectsLedger } from '../crash/effects-ledger.ts'
import { KillSwitch } from '../crash/kill-switch.ts'
import { Outside } from '../crash/outside.ts'
import type { Task } from '../crash/task.ts'
import { type Returned, type Steps, takeBack } from './returns.ts'

const task = JSON.parse(process.argv[2] ?? '') as Task
const { bank = '', ledger, kill, start } = task
process.stdin.on('end', () => process.exit()).resume()

const outside = new Outside(new EffectsLedger(ledger), new KillSwitch(kill), { bank })
const steps: Steps = { step: (_, body) => body({ abortSignal: new AbortController().signal }) }
await takeBack(steps, outside, start.input as unknown as Returned)
process.exit()
