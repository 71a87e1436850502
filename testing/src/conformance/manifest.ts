/** The manifest decides what is asked of an engine: so it must not say less, or more, than the engine can do. */
import type { Engine } from '@selvage/core'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

/** What an ability consists of. */
const METHODS = {
  list: ['list'],
  approvals: ['questions', 'question'],
  attach: ['attach'],
  fork: ['fork'],
  retry: ['retry'],
  outbox: ['outbox'],
  pots: ['pots'],
  transaction: ['transaction'],
} as const satisfies { readonly [ability: string]: readonly (keyof Engine)[] }

export const manifestSection: Section = {
  title: 'its manifest is true',
  register({ under, manifest }) {
    const opened = inside(under, [])

    test.each(Object.entries(METHODS))(
      '%s: is there if the manifest says so, else not there or refused',
      async (ability, methods) => {
        const { engine } = opened()
        for (const method of methods) {
          const part = engine[method]
          if (manifest.abilities[ability as keyof typeof METHODS] === true) expect(part, method).toBeDefined()
          else if (typeof part === 'function') {
            const asked = (async () => await (part as (body: () => void) => unknown).call(engine, () => {}))()
            await expect(asked, method).rejects.toMatchObject({ code: 'UNSUPPORTED' })
          } else expect(part, method).toBeUndefined()
        }
      },
    )

    test('it has a name, and the same manifest whenever it is opened', () => {
      expect(manifest.name).toMatch(/^[a-z][a-z0-9-]*$/)
      expect(opened().engine.manifest).toEqual(manifest)
    })
  },
}
