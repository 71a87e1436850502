import { existsSync, writeFileSync } from 'node:fs'
import type { Durable, Op, Program } from '@selvage/core'
import { enginePrograms } from '@selvage/testing'

const code = (key: string, more: Partial<Op> = {}): Op => ({ key, kind: 'code', name: key, ...more })

/** What the tests of this engine run, beside what those of all engines do. `act`: where the effects happen. */
export function programs(act: (line: string) => void): readonly Program[] {
  const program = (name: string, run: (durable: Durable) => Promise<unknown>): Program => ({
    name,
    resume: 'replay',
    run,
  })
  return [
    ...enginePrograms(act),
    /** So many steps, one after the other, each of so many milliseconds. */
    program('paced', async (durable) => {
      const { steps, ms } = durable.start.input as { steps: number; ms: number }
      let sum = 0
      for (let n = 1; n <= steps; n++) {
        sum += await durable.step(code(`s${n}`), async ({ attempt }) => {
          act(`s${n} ${attempt}`)
          await new Promise((resolve) => setTimeout(resolve, ms))
          return n
        })
      }
      return sum
    }),
    /** An effect `once` in whose first attempt the process dies, and one behind a wait. */
    program('mortal', async (durable) => {
      const fate = await durable
        .step(code('charge', { effect: 'once' }), ({ attempt }) => {
          act(`charge ${attempt}`)
          process.kill(process.pid, 'SIGKILL')
        })
        .catch((error: { code?: string }) => error.code)
      await durable.wait('wait', 'go')
      return await durable.step(code('mail'), () => {
        act(`mail ${process.pid}`)
        return fate
      })
    }),
    /** A step whose first attempt never ends. */
    program('stuck', async (durable) =>
      durable.step(code('read', { effect: 'read' }), async () => {
        act(`read by ${process.pid}`)
        if (durable.start.input !== null) return 'read'
        await new Promise((resolve) => setTimeout(resolve, 60_000))
        return undefined
      }),
    ),
    /** As many signals as the input says, in their order; in the third step between them the process may die, once. */
    program('collect', async (durable) => {
      const got: unknown[] = []
      for (let n = 1; n <= Number(durable.start.input); n++) {
        const answer = await durable.wait(`w${n}`, 'item')
        if (answer.ok) got.push(answer.value)
        await durable.step(code(`took${n}`), () => {
          const { SELVAGE_TEST_MORTAL: mark } = process.env
          if (n !== 3 || mark === undefined || existsSync(mark)) return
          writeFileSync(mark, '')
          process.kill(process.pid, 'SIGKILL')
        })
      }
      return got
    }),
    /** How large each of so many signals is. */
    program('sizes', async (durable) => {
      const sizes: number[] = []
      for (let n = 1; n <= Number(durable.start.input); n++) {
        const answer = await durable.wait<string>(`w${n}`, 'item')
        if (answer.ok) sizes.push(answer.value.length)
      }
      return sizes
    }),
    /** Fails until it is retried. */
    program('fails', async (durable) => {
      await durable.step(code('first'), () => act('first'))
      return await durable.step(code('second'), () => {
        act('second')
        if (durable.start.tags?.well !== 'yes' && !process.env.SELVAGE_TEST_WELL) throw new Error('not yet')
        return 'made'
      })
    }),
    program('sleep', async (durable) => {
      const from = durable.now()
      const { ok } = await durable.wait('sleep', 'nobody', from + Number(durable.start.input))
      return ok
    }),
  ]
}
