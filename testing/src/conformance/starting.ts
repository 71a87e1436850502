/** Starting, and what is refused: by code, with the run named. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Engine, EngineError, type Program, type Start } from '@selvage/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { OpenedEngine } from '../crash/under-test.ts'
import { ended } from '../watching.ts'
import { PATIENT_MS } from './given.ts'
import type { Section } from './section.ts'

const echo: Program = {
  name: 'echo',
  resume: 'replay',
  run: (durable) => durable.step({ key: 'echo', kind: 'code', name: 'echo' }, () => durable.start.input),
}
const START: Start = { program: 'echo', input: { a: 1, b: [2] } }

export const starting: Section = {
  title: 'a run is started once, and what cannot be is refused by name',
  register({ under }) {
    let folder: string
    let opened: OpenedEngine
    let engine: Engine
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'selvage-starting-'))
      opened = await under.open(folder)
      engine = opened.engine
    })
    afterEach(async () => {
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test(
      'the same start again is the same run, before and after it has ended',
      async () => {
        expect(await engine.start('r', START)).toEqual({ created: true })
        expect(await engine.start('r', { program: 'echo', input: { b: [2], a: 1 } })).toEqual({ created: false })
        await engine.serve(opened.host([echo]))
        expect(await ended(engine, 'r')).toEqual({ ok: START.input })
        expect(await engine.start('r', START)).toEqual({ created: false })
        expect((await engine.journal('r', 0)).filter(({ type }) => type === 'step').length).toBe(1)
      },
      PATIENT_MS,
    )

    test.each([
      ['input', { ...START, input: { a: 2, b: [2] } }],
      ['program', { ...START, program: 'other' }],
    ])('another %s under its id is a conflict, and changes nothing', async (_, other) => {
      await engine.start('r', START)
      await expect(engine.start('r', other)).rejects.toMatchObject({
        name: 'ConflictError',
        code: 'RUN_CONFLICT',
        message: expect.stringContaining('r'),
      })
      expect((await engine.describe('r')).start).toMatchObject(START)
    })

    test('an unknown run is NOT_FOUND, by whatever it is asked for', async () => {
      const asked = [
        engine.describe('nobody'),
        engine.journal('nobody', 0),
        engine.signal('nobody', { id: 's', name: 's', payload: null }),
        engine.cancel('nobody', 'why not'),
        engine.changed('nobody', { status: 'running' }),
      ]
      const notFound = { reason: { code: 'NOT_FOUND', message: expect.stringContaining('nobody') } }
      expect(await Promise.allSettled(asked)).toMatchObject(asked.map(() => notFound))
    })

    test('a run that has ended takes no signal', async () => {
      await engine.start('r', START)
      await engine.serve(opened.host([echo]))
      await ended(engine, 'r')
      await expect(engine.signal('r', { id: 's', name: 's', payload: null })).rejects.toMatchObject({
        code: 'RUN_ENDED',
      })
    })

    test(
      'a host that fails is asked again: infrastructure that is away for a moment ends no run',
      async () => {
        const host = opened.host([echo])
        const advance = host.advance.bind(host)
        let asked = 0
        host.advance = async (request, control) => {
          asked += 1
          if (asked < 3) throw new EngineError('UNAVAILABLE', 'What it needs is away.')
          return await advance(request, control)
        }
        await engine.start('r', START)
        await engine.serve(host)
        expect(await ended(engine, 'r')).toEqual({ ok: START.input })
        expect(asked).toBeGreaterThanOrEqual(3)
      },
      PATIENT_MS,
    )

    test('a result that cannot be recorded fails its step, with the path of what cannot', async () => {
      const bad: Program = {
        name: 'bad',
        resume: 'replay',
        run: (durable) =>
          durable.step({ key: 'bad', kind: 'code', name: 'bad' }, () => ({ rows: [{ done: () => 'a function' }] })),
      }
      await engine.start('r', { program: 'bad', input: null })
      await engine.start('next', START)
      await engine.serve(opened.host([bad, echo]))
      expect(await ended(engine, 'r')).toMatchObject({
        error: {
          code: 'STEP_FAILED',
          cause: { code: 'NOT_SERIALISABLE', message: expect.stringMatching(/bad.*rows\[0\]\.done/) },
        },
      })
      expect(await ended(engine, 'next')).toEqual({ ok: START.input })
    })
  },
}
