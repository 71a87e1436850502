/** Programs that come to a place, report it, stand still, and are killed there. */
import type { ChildProcess } from 'node:child_process'

/** What the process reports. It is gone when this resolves. */
export async function untilKilled(child: ChildProcess): Promise<unknown> {
  const gone = new Promise((exited) => child.once('exit', exited))
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  child.once('exit', (code) => reject(new Error(`a worker ended with code ${code} where it should have stood still`)))
  const report = await promise
  child.kill('SIGKILL')
  await gone
  return report
}
