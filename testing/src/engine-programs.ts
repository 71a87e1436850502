import type { Durable, Op, Program } from '@selvage/core'

const code = (key: string, more: Partial<Op> = {}): Op => ({ key, kind: 'code', name: key, ...more })

/** What the tests of an engine run, of which the programs are not the subject. `act`: where the effects happen. */
export function enginePrograms(act: (line: string) => void | Promise<void>): readonly Program[] {
  const program = (name: string, run: (durable: Durable) => Promise<unknown>): Program => ({
    name,
    resume: 'replay',
    run,
  })
  return [
    /** So many steps, one after the other; the input is their number. */
    program('count', async (durable) => {
      let sum = 0
      for (let n = 1; n <= Number(durable.start.input); n++) {
        sum += await durable.step(code(`s${n}`), async ({ attempt }) => {
          await act(`s${n} ${attempt}`)
          return n
        })
      }
      return sum
    }),
    /** One effect `once` between two waits. */
    program('charge', async (durable) => {
      await durable.wait('before', 'go')
      const charged = await durable.step(code('charge', { effect: 'once' }), async () => {
        await act('charge')
        return 'charged'
      })
      await durable.wait('after', 'end')
      return charged
    }),
    /** Large both ways. */
    program('large', async (durable) => {
      const bytes = Number(durable.start.input)
      const text = await durable.step(code('text'), () => 'selvage '.repeat(bytes / 8))
      return await durable.step(code('length'), () => text.length)
    }),
    /** A step that goes on until it is told to stop. */
    program('patient', async (durable) => {
      await durable.step(code('patience'), async ({ abortSignal }) => {
        await act('begun')
        await new Promise((_, reject) => {
          abortSignal.addEventListener('abort', () => reject(abortSignal.reason))
        })
      })
    }),
    program('ask', async (durable) => {
      const question = { id: `ap_${durable.runId}`, kind: 'approval', name: 'send' } as const
      await durable.open('approval:send', question)
      const answer = await durable.wait('approval:send', question.id)
      return answer.ok
    }),
    /** Asks for a step when its advance has returned already. */
    program('late', async (durable) => {
      const never = durable.wait('never', 'never')
      const late = new Promise((resolve) => setTimeout(resolve, 30)).then(() =>
        durable.step(code('late'), () => 'made'),
      )
      return await Promise.race([late, never])
    }),
  ]
}
