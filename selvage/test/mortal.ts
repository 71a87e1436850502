/**
 * What a process begins with that tests kill: `node <module> <folder> [KillAt as JSON]`. It ends with the process that spawned
 * it, and dies (or stands still) where the second argument says.
 */
import { join } from 'node:path'
import { onProbe } from '@selvage/core'
import { type KillAt, KillSwitch } from '@selvage/testing'

export interface Mortal {
  /** Where it keeps what it writes. */
  readonly folder: string
  /** Of the database there. */
  readonly url: string
  /** Of moments that are no probes the process tells itself: `killSwitch.pass('effect.before')`. */
  readonly killSwitch: KillSwitch
}

/** `end`: what it does when nobody needs it any more. */
export function mortal(end: () => void = () => process.exit()): Mortal {
  const [folder = '.', kill] = process.argv.slice(2)
  const killSwitch = new KillSwitch(kill === undefined ? undefined : (JSON.parse(kill) as KillAt))
  onProbe((name) => killSwitch.pass(name))
  process.stdin.on('end', end).resume()
  return { folder, url: `sqlite:${join(folder, 'selvage.db')}`, killSwitch }
}
