/** What a worker finds that has never seen the run: the journal, which answers in the order in which it was written. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

export const coldStart: Section = {
  title: 'journal and cold start',
  register({ under }) {
    const made: string[] = []
    const seen: string[] = []
    /** What a program can see of its past, in three parts with a wait between two. */
    const past = createWorkflow('past', async (ctx) => {
      const saw = (what: string, value: unknown): void => void seen.push(`${what} ${JSON.stringify(value)}`)
      for (const part of [1, 2, 3]) {
        saw('chance', [ctx.random(), ctx.uuid()])
        const step = (name: string, late: number) =>
          ctx.step(name, async () => {
            await turns(late)
            made.push(`${part} ${name}`)
            return `${part} ${name}`
          })
        const three = [step('slow', 6), step('quick', 0), step('middling', 3)]
        saw('first', await Promise.race(three))
        saw('all', await Promise.all(three))
        saw('now', ctx.now())
        saw('signal', await ctx.signal(`go${part}`))
      }
      return 'done'
    })
    const opened = inside(under, [past])

    test('nothing is made again, and every worker sees the same past (I1, I5, I13)', async () => {
      await opened().start('r', 'past')
      for (const part of [1, 2, 3]) {
        await opened().until('r', ({ waitsFor }) => waitsFor?.signals.includes(`go${part}`) === true)
        await opened().workAnew()
        await opened().signal('r', `go${part}`, part)
      }
      expect(await opened().ended('r')).toEqual({ ok: 'done' })
      expect(made.map((line) => line.slice(0, 1))).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3].map(String))
      const last = seen.slice(seen.lastIndexOf(seen[0] ?? ''))
      expect(last.length).toBe(15)
      // Each worker told how it saw the past; what an earlier one saw is where the later one begins.
      const lives = seen.join('\n').split(`${seen[0]}\n`).slice(1)
      expect(lives.length).toBe(4)
      for (const life of lives) expect(`${last.slice(1).join('\n')}\n`).toContain(life.trimEnd())
    })

    test('the journal can be read from any place, in pages', async () => {
      const { engine } = opened()
      const all = await engine.journal('r', 0)
      expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index))
      expect(all[0]?.type).toBe('start')
      expect(all.at(-1)?.type).toBe('end')
      expect(await engine.journal('r', 3, 4)).toEqual(all.slice(3, 7))
      expect(await engine.journal('r', all.length)).toEqual([])
      expect((await engine.describe('r')).entries).toBe(all.length)
      const times = all.map(({ at }) => at)
      expect(times).toEqual([...times].sort((one, other) => one - other))
    })
  },
}
