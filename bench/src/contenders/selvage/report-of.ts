import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What a process reports, once it has ended. */
export async function reportOf(child: ChildProcess): Promise<unknown> {
  let report: unknown
  child.once('message', (message) => {
    report = message
  })
  const [code] = await once(child, 'exit')
  if (report === undefined) throw new Error(`a process ended with code ${code} and no report`)
  return report
}
