import { expect, it } from 'vitest'
import { statementsOf } from './statements.ts'

it.each<[string, string[]]>([
  ['', []],
  [' ; -- nothing\n /* at ; all */ ;', []],
  ['select 1', ['select 1']],
  ['-- a; b\nselect 1; select 2 -- c', ['select 1', 'select 2']],
  [
    `select ';', "a;b", \`c;d\`, [e;f], 'it''s;'; select 2`,
    [`select ';', "a;b", \`c;d\`, [e;f], 'it''s;'`, 'select 2'],
  ],
  [
    'create trigger t after insert on a begin select 1; select case when 1 then 2; end; end; select 3',
    ['create trigger t after insert on a begin select 1; select case when 1 then 2; end; end', 'select 3'],
  ],
  [
    'create temp trigger if not exists t begin select 1; end; x',
    ['create temp trigger if not exists t begin select 1; end', 'x'],
  ],
  ['select case a when 1 then 2 end; end', ['select case a when 1 then 2 end', 'end']],
  ['select 1/*;*/+2; /* open ; ', ['select 1 +2']],
])('%j', (sql, statements) => {
  expect(statementsOf(sql)).toEqual(statements)
})
