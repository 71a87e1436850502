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

    test.each(Object.entries(METHODS))('%s is there if the manifest says so, and only then', (ability, methods) => {
      const says = manifest.abilities[ability as keyof typeof METHODS] === true
      const { engine } = opened()
      expect(methods.map((method) => [method, engine[method] !== undefined])).toEqual(
        methods.map((method) => [method, says]),
      )
    })

    test('it has a name, and the same manifest whenever it is opened', () => {
      expect(manifest.name).toMatch(/^[a-z][a-z0-9-]*$/)
      expect(opened().engine.manifest).toEqual(manifest)
    })
  },
}
