/** A file that the first version wrote is brought up to date when it is opened, with all that is in it. */
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Place, place } from '../test/place.ts'
import { PAGE_BYTES } from './open.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

const FIRST = `
  pragma user_version = 1; pragma application_id = ${0x73656c76};
  insert into run (n, id, status, program, input_hash, created, updated, length, steps, last)
    values (1, 'r', 3, 'p', 'null', 1, 3, 3, 1, 3);
  insert into entry (n, run, seq, previous, type, at, body)
    values (1, 1, 0, null, 10, 1, '{"start":{"program":"p","input":null},"salt":"s"}');
  insert into entry (n, run, seq, previous, type, at, key, op, name, attempt, took, body)
    values (2, 1, 1, 1, 5, 2, 'k', 13, 'charge', 1, 0, '"died"');
  insert into entry (n, run, seq, previous, type, at, body) values (3, 1, 2, 2, 11, 3, '{"ok":null}');`

it('keeps journals, and finds in them what it lists now', async () => {
  const old = new DatabaseSync(here.path)
  old.exec(`pragma page_size = ${PAGE_BYTES}; pragma journal_mode = wal`)
  old.exec(readFileSync(new URL('../schema/0001.sql', import.meta.url), 'utf8'))
  old.exec(FIRST)
  old.close()
  const store = await here.open()
  expect(await store.load('r', 0)).toMatchObject([
    { type: 'start', salt: 's' },
    { type: 'step', key: 'k', op: { effect: 'once' }, outcome: { unknown: 'died' } },
    { type: 'end', outcome: { ok: null } },
  ])
  expect(await store.describe('r')).toMatchObject({ status: 'completed', steps: 1, outcome: { ok: null } })
  expect(await store.unknownSteps({})).toEqual({ items: [{ runId: 'r', seq: 1 }] })
  expect(await store.outbox?.list({})).toEqual({ items: [] })
  const shell = new DatabaseSync(here.path, { readOnly: true })
  expect(
    shell
      .prepare('select type from journal order by seq')
      .all()
      .map(({ type }) => type),
  ).toEqual(['start', 'step unknown', 'end'])
  shell.close()
})
