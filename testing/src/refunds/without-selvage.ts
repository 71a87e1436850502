/**
 * What the main module of a process does that takes goods back without Selvage. It is started again when it was killed, on
 * the same folder, and has no key to tell the bank: like any program that was not written to be killed.
 */
import type { Json } from '@selvage/core'
import { KillSwitch } from '../crash/kill-switch.ts'
import { Outside } from '../crash/outside.ts'
import type { Task } from '../crash/task.ts'
import { LineFile } from '../line-file.ts'

export async function withoutSelvage(
  body: (input: Json, outside: Outside, folder: string) => Promise<unknown>,
): Promise<void> {
  const { bank = '', folder, kill, ledger, start } = JSON.parse(process.argv[2] ?? '') as Task
  process.stdin.on('end', () => process.exit()).resume()
  const outside = new Outside(new LineFile(ledger), new KillSwitch(kill), { bank })
  await body(start.input, outside, folder)
  process.exit()
}
