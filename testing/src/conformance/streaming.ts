/** Live chunks go beside the journal: seen by who looks, kept by nobody, and never a reason to stop (I10). */
import type { LiveNote } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import { expect, test } from 'vitest'
import { inside } from './inside.ts'
import type { Section } from './section.ts'

const CHUNKS = 200

export const streaming: Section = {
  title: 'streaming beside the journal',
  register({ under }) {
    const talking = createWorkflow('talking', (ctx) =>
      ctx.step('talk', async (at) => {
        for (let n = 0; n < CHUNKS; n++) at.emit({ n, token: 'never journaled' })
        return 'said'
      }),
    )
    const opened = inside(under, [talking])

    test('a reader in the process that works sees every chunk, in order, with its step and attempt', async () => {
      const notes: LiveNote[] = []
      const leave = opened().host.subscribe('r1', (note) => void notes.push(note))
      expect(await opened().play('r1', 'talking')).toEqual({ ok: 'said' })
      leave()
      const chunks = notes.flatMap((note) => (note.type === 'chunk' ? [note] : []))
      expect(chunks.map(({ chunk }) => (chunk as { n: number }).n)).toEqual(Array.from({ length: CHUNKS }, (_, n) => n))
      expect(chunks[0]).toMatchObject({ runId: 'r1', key: 'talk', attempt: 1 })
      expect(notes.find(({ type }) => type === 'started')).toMatchObject({ runId: 'r1', op: { key: 'talk' } })
    })

    test('nothing of it is in the journal, which is as long as without', async () => {
      const entries = await opened().engine.journal('r1', 0)
      expect(JSON.stringify(entries)).not.toContain('never journaled')
      expect(entries.map(({ type }) => type)).toEqual(['start', 'step', 'end'])
    })

    test('a reader that leaves in the middle changes nothing', async () => {
      let seen = 0
      const leave = opened().host.subscribe('r2', () => {
        if (++seen === 3) leave()
      })
      expect(await opened().play('r2', 'talking')).toEqual({ ok: 'said' })
      expect(seen).toBe(3)
    })
  },
}
