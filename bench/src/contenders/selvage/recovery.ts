import { forkChild } from '../../children.ts'
import type { Contender, Recovery } from '../../contender.ts'

export const recovery: NonNullable<Contender['recovery']> = {
  async prepare(folder, steps) {
    await untilKilled(folder, steps, 'make')
  },
  async take(folder, steps) {
    return (await untilKilled(folder, steps, 'take')) as Recovery
  },
}

/** What the process reports from the step in which it is then killed. */
async function untilKilled(folder: string, steps: number, mode: 'make' | 'take'): Promise<unknown> {
  const child = forkChild(new URL('./recovery-process.js', import.meta.url), [folder, String(steps), mode])
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  child.once('exit', (code) => reject(new Error(`a worker ended with code ${code} where it should have stood still`)))
  const report = await promise
  const gone = new Promise((exited) => child.once('exit', exited))
  child.kill('SIGKILL')
  await gone
  return report
}
