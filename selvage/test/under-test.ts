/** An opened Selvage, as the conformance sections and their child processes open it. */
import { join } from 'node:path'
import type { Engine, Host, Program } from '@selvage/core'
import { openSelvage } from 'selvage'

export async function open(
  folder: string,
  options: { readonly leaseMs?: number } = {},
): Promise<{ engine: Engine; host(programs: readonly Program[]): Host }> {
  const { parts } = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, ...options })
  return { engine: parts.engine, host: (programs) => parts.createHost(() => programs) }
}
