import type { Selvage } from 'selvage/core'
import { openSelvage } from 'selvage/core'
import { createOutput, type Output } from './output.ts'

/** Options of every command. */
export interface GlobalOptions {
  readonly url?: string
  readonly json?: boolean
}

/** One command at work: a database that exists, and somewhere to put the answer. */
export interface Session {
  readonly selvage: Selvage
  readonly output: Output
  /** What to put behind `selvage <command>` so that it finds the same database. */
  readonly again: string
}

/** Opens what is there (never creates, never works), runs the command, closes. */
export async function session(options: GlobalOptions, command: (session: Session) => Promise<void>): Promise<void> {
  const selvage = await openSelvage({ ...location(options), work: false, create: false })
  try {
    await command({ selvage, output: createOutput(options.json === true), again: again(options) })
  } finally {
    await selvage.close()
  }
}

export function location(options: GlobalOptions): { readonly url?: string } {
  return options.url === undefined ? {} : { url: options.url }
}

function again({ url }: GlobalOptions): string {
  return url === undefined ? '' : ` --url ${quote(url)}`
}

/** For a shell: as it is where that is safe, else in single quotes. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
