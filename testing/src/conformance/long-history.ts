/** A run of many steps, on an engine that renews its own history every few of them: nobody sees where. */
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import { leaveOut, NO_ROTATION } from './leave-out.ts'
import type { Section } from './section.ts'

const STEPS = 60
const ROTATE_AFTER = 9

export const longHistory: Section = {
  title: 'long histories',
  register({ under, manifest }) {
    const made: number[] = []
    const count = createWorkflow('count', async (ctx, steps: number) => {
      let sum = 0
      for (let n = 1; n <= steps; n++) {
        sum += await ctx.step(`s${n}`, () => {
          made.push(n)
          return n
        })
        if (n === steps / 2) sum += await ctx.signal<number>('half')
      }
      return [sum, await ctx.signal<string>('end')]
    })
    const opened = inside(under, [count], { rotateAfter: ROTATE_AFTER })

    test(`${STEPS} steps with a wait and a cold worker in the middle`, async () => {
      await opened().start('r', 'count', STEPS)
      // It comes long before it is waited for, and goes with the run from one generation to the next.
      await opened().signal('r', 'end', 'early')
      await opened().suspended('r')
      await opened().workAnew()
      await opened().signal('r', 'half', 0)
      expect(await opened().ended('r')).toEqual({ ok: [(STEPS * (STEPS + 1)) / 2, 'early'] })
      expect(made).toEqual(Array.from({ length: STEPS }, (_, index) => index + 1))
    })

    const renewed = 'its history was renewed on the way'
    if (!manifest.abilities.rotate) leaveOut(renewed, NO_ROTATION)
    else test(renewed, async () => expect(await opened().generations('r')).toBeGreaterThan(2))

    test('its journal is one, without a gap, and can be read in pages', async () => {
      const { engine } = opened()
      const all = await engine.journal('r', 0)
      expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index))
      expect(all.filter(({ type }) => type === 'step').length).toBe(STEPS)
      expect(all.filter(({ type }) => type === 'start').length).toBe(1)
      expect(await engine.journal('r', STEPS / 2, 7)).toEqual(all.slice(STEPS / 2, STEPS / 2 + 7))
      expect(await engine.describe('r')).toMatchObject({ entries: all.length, steps: STEPS, status: 'completed' })
    })
  },
}
