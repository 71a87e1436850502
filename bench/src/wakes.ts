/** The other end of serve-wakes.ts. */
import type { ChildProcess } from 'node:child_process'
import { within } from './children.ts'
import type { Wakes } from './contender.ts'
import type { WakesRequest } from './serve-wakes.ts'

const OPEN_MS = 60_000
/** Of one that does not come to its end. */
const PATIENCE_MS = 20_000

/** Ready when `child` is. `beside`: is told of each round when the run of that round is there. */
export async function wakesOf(child: ChildProcess, beside?: ChildProcess): Promise<Wakes> {
  await Promise.all([child, beside].map((each) => each && within(OPEN_MS, 'its start', told(each))))
  let round = 0
  const ask = async (request: WakesRequest): Promise<readonly (number | null)[]> => {
    let heard = told(child)
    child.send(request)
    if (beside !== undefined) {
      // It says first that its run is there.
      await heard
      heard = told(child)
      beside.send(request)
    }
    return (await heard) as readonly (number | null)[]
  }
  return {
    async wake(count) {
      const measured = await within(PATIENCE_MS, `${count} wake-ups`, ask({ round: round++, count }))
      if (measured.length !== count) throw new Error(`${count} were sent, ${measured.length} were heard`)
      return measured
    },
    end() {
      for (const each of [child, beside]) each?.kill('SIGKILL')
    },
  }
}

async function told(child: ChildProcess): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const failed = (code: number | null): void => reject(new Error(`it ended with code ${code}`))
  child.once('message', resolve)
  child.once('exit', failed)
  try {
    return await promise
  } finally {
    child.off('message', resolve)
    child.off('exit', failed)
  }
}
