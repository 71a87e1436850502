import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Context, openSelvage, RetryableError, type Selvage, type Transaction } from './core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
  await selvage.transaction((db) => db.exec('create table app_orders (id text primary key, amount integer)'))
})

afterEach(() => selvage.close())

const rows = (): Promise<unknown[]> => selvage.transaction((db) => db.all('select * from app_orders order by id'))

let made = 0
async function run<T>(body: (ctx: Context) => Promise<T> | T): Promise<T> {
  const name = `program ${made++}`
  return (await selvage.workflow(name, body).start(undefined, { runId: name })).result()
}

/** What a transaction of a run rejects with. */
async function failure(body: (tx: Transaction) => unknown): Promise<{ readonly message: string }> {
  const error = await run((ctx) =>
    ctx.transaction('fails', body).then(
      () => undefined,
      (caught: { readonly cause: { readonly message: string } }) => caught.cause,
    ),
  )
  if (error === undefined) throw new Error('it did not fail')
  return error
}

test('rows are there with the entry that records them, and read from outside', async () => {
  const result = await run(async (ctx) => {
    const insert = (tx: Transaction): unknown => {
      const order = tx.prepare('insert into app_orders values (?, ?)')
      order.run('a', 1)
      expect(order.run('b', 2)).toEqual({ changes: 1, lastInsertRowid: 2 })
      expect(tx.attempt).toBe(1)
      return { at: new Date(7), sum: tx.get<{ sum: number }>('select sum(amount) as sum from app_orders')?.sum }
    }
    const first = await ctx.transaction('order', insert)
    const second = await ctx.transaction('order', (tx) => tx.run('delete from app_orders where id = ?', 'a').changes)
    return [first, second]
  })
  expect(result).toEqual([{ at: new Date(7), sum: 3 }, 1])
  expect(await rows()).toEqual([{ id: 'b', amount: 2 }])
})

test('what throws leaves no row, is tried again under its policy, and then is the failure of the step', async () => {
  const attempts: number[] = []
  const caught = await run(async (ctx) => {
    await ctx.transaction('order', (tx) => {
      attempts.push(tx.attempt)
      tx.run('insert into app_orders values (?, ?)', `attempt ${tx.attempt}`, 1)
      tx.exec('create table app_left (x)')
      if (tx.attempt < 3) throw new RetryableError('again', { after: 0 })
    })
    return ctx
      .transaction('twice', (tx) => {
        tx.run("insert into app_orders values ('x', 1)")
        tx.run("insert into app_orders values ('x', 1)")
      })
      .catch((error: { readonly code: string; readonly cause: Error }) => [error.code, error.cause.message])
  })
  expect(attempts).toEqual([1, 2, 3])
  expect(caught).toEqual(['STEP_FAILED', expect.stringMatching(/UNIQUE constraint failed/)])
  expect(await rows()).toEqual([{ id: 'attempt 3', amount: 1 }])
})

test('an error that the function catches itself is its own affair', async () => {
  await run((ctx) =>
    ctx.transaction('order', (tx) => {
      tx.run("insert into app_orders values ('x', 1)")
      expect(() => tx.run("insert into app_orders values ('x', 2)")).toThrow(/UNIQUE/)
      tx.run("insert or replace into app_orders values ('x', 3)")
    }),
  )
  expect(await rows()).toEqual([{ id: 'x', amount: 3 }])
})

test('a promise is refused, and what comes after it is in no commit', async () => {
  let late: Promise<unknown> | undefined
  const error = await failure((tx) => {
    late = (async () => {
      tx.run("insert into app_orders values ('early', 1)")
      await null
      tx.run("insert into app_orders values ('late', 1)")
    })()
    late.catch(() => {})
    return late
  })
  expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(/returned a promise.*rolled back/) })
  await expect(late).rejects.toThrow(/after its function had returned/)
  expect(await rows()).toEqual([])
  await expect(selvage.transaction(async () => {})).rejects.toThrow(/returned a promise/)
})

test('messages are in the commit, too', async () => {
  const id = await run((ctx) =>
    ctx.transaction('order', (tx) => {
      tx.run("insert into app_orders values ('a', 1)")
      return tx.send('mail', { order: 'a' })
    }),
  )
  expect((await selvage.messages()).items).toMatchObject([{ id, payload: { order: 'a' } }])
  await failure((tx) => {
    tx.send('mail', 'never')
    throw new Error('no')
  })
  expect((await selvage.messages()).items).toHaveLength(1)
})

const REFUSED: readonly string[] = [
  'commit',
  'rollback',
  'begin',
  'end',
  'savepoint s',
  'release s',
  "attach ':memory:' as other",
  'detach main',
  'vacuum',
  'reindex',
  'analyze',
  'pragma synchronous = off',
  '/* a */ pragma foreign_keys = on',
  'explain select 1',
  'select * from run',
  'select count(*) from journal',
  'select * from main.entry',
  'update run set status = 3',
  'delete from entry',
  'insert into inbox values (1, 1, 1, 1, 1, 1)',
  'drop table run',
  'alter table entry add column x',
  'alter table "run" rename to app_run',
  'create index app_i on entry (type)',
  'drop index run_due',
  'drop view journal',
  'insert into app_orders select id, 1 from run',
  'create table app_copy as select * from run',
  'update app_orders set amount = (select count(*) from entry)',
  'create table orders (x)',
  'create table app_a (x); select 1; drop table worker',
  'alter table app_orders rename to orders',
  'create temp table app_t (x)',
  'create temp view app_v as select 1',
  'create trigger app_t after insert on entry begin delete from app_orders; end',
  'create view v as select 1',
  'delete from sqlite_schema',
  'create index orders_amount on app_orders (amount)',
  'with x as (select * from question) delete from app_orders where id in (select id from x)',
]

test.each(REFUSED)('%s is refused, whatever the author makes of it', async (sql) => {
  const schema = (): Promise<unknown> =>
    selvage.transaction((db) => db.all('select * from sqlite_schema order by name'))
  const before = await schema()
  const said = await run((ctx) =>
    ctx.transaction('try', (tx) => {
      try {
        tx.exec(sql)
      } catch (error) {
        return String(error)
      }
      return 'nothing'
    }),
  )
  expect(said).toMatch(/UsageError|is not authorized|may not be (modified|dropped|altered)/)
  const after = await schema()
  expect(after).toEqual(sql.startsWith('create table app_a') ? expect.anything() : before)
  expect(await run((ctx) => ctx.step('goes on', () => 1))).toBe(1)
})

test('a trigger or a view of an author reaches no more than he does', async () => {
  await selvage.transaction((db) => {
    db.exec(`
      create table app_log (id text, note text); -- a comment; with a semicolon
      create trigger app_noted after insert on app_orders begin
        insert into app_log values (new.id, case when new.amount > 1 then 'many; really' else 'one' end);
      end;
      create view app_sight as select * from entry;
      create table app_trap (x);
      create trigger app_sprung after insert on app_trap begin delete from entry; end;
    `)
    db.run("insert into app_orders values ('a', 2)")
  })
  expect(await selvage.transaction((db) => db.all('select * from app_log'))).toEqual([
    { id: 'a', note: 'many; really' },
  ])
  await expect(selvage.transaction((db) => db.all('select * from app_sight'))).rejects.toThrow(/not a table of yours/)
  await expect(selvage.transaction((db) => db.run('insert into app_trap values (1)'))).rejects.toThrow(
    /not a table of yours/,
  )
})

test('what makes tables may be said again, in any commit', async () => {
  const make = `create table if not exists app_a (x); create index if not exists app_i on app_a (x);
    create view if not exists app_v as select * from app_a; drop table if exists app_none;
    create trigger if not exists app_t after delete on app_a begin insert into app_a values (old.x + 1); end`
  for (let n = 0; n < 3; n++) await selvage.transaction((db) => db.exec(make))
  await run((ctx) =>
    ctx.transaction('again', (tx) => {
      tx.exec(make)
      tx.run('insert into app_a values (1)')
      tx.run('delete from app_a where x = 1')
    }),
  )
  expect(await selvage.transaction((db) => db.all('select * from app_v'))).toEqual([{ x: 2 }])
})

test('autoincrement, without rowid, unique, foreign keys, generated columns and upserts are ordinary', async () => {
  const found = await selvage.transaction((db) => {
    db.exec(`create table app_a (n integer primary key autoincrement, t text unique, l as (length(t)));
      create table app_b (k text primary key, a integer references app_a (n)) without rowid;
      create index app_b_a on app_b (a)`)
    db.run("insert into app_a (t) values ('one'), ('two')")
    db.run("insert into app_b values ('k', 1) on conflict (k) do update set a = excluded.a")
    db.run("replace into app_a (t) values ('one')")
    db.exec('alter table app_b add column note text; update app_b set note = 1; drop index app_b_a')
    return db.all('select * from app_a left join app_b on a = n order by n')
  })
  expect(found).toMatchObject([
    { n: 2, t: 'two', l: 3 },
    { n: 3, t: 'one', k: null },
  ])
})

test('SQL that takes the whole commit back fails its own step only', async () => {
  const neighbours = Array.from({ length: 20 }, (_, n) =>
    run(async (ctx) => {
      await ctx.step('one', () => n)
      await ctx.transaction('two', (tx) => tx.run('insert into app_orders values (?, ?)', `n${n}`, n))
      return ctx.step('three', () => n)
    }),
  )
  const errors = await Promise.all(
    Array.from({ length: 5 }, (_, n) =>
      failure((tx) => {
        tx.run('insert into app_orders values (?, 0)', `x${n}`)
        try {
          tx.run('insert or rollback into app_orders values (?, 1)', `x${n}`)
        } catch {
          tx.run('insert into app_orders values (?, 2)', `y${n}`)
        }
      }),
    ),
  )
  for (const error of errors) expect(error.message).toMatch(/rolled the whole commit back/)
  expect(await Promise.all(neighbours)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  expect(await rows()).toHaveLength(20)
  await expect(
    selvage.transaction((db) => {
      db.run("insert into app_orders values ('n1', 1) on conflict do nothing")
      db.run("insert or rollback into app_orders values ('n1', 1)")
    }),
  ).rejects.toThrow(/rolled the whole commit back/)
})

test('what makes no sense is refused', async () => {
  const said = await failure((tx) => tx.run('select 1; select 2'))
  expect(said.message).toMatch(/2 statements were given where one is taken/)
  expect((await failure((tx) => tx.run(''))).message).toMatch(/statements were given where one/)
  expect((await failure(() => () => 1)).message).toMatch(/is a function/)
  expect((await failure((tx) => tx.run('selec 1'))).message).toMatch(/only SQL that reads or changes/)
  expect((await failure((tx) => tx.run('select nothing_here'))).message).toMatch(/no such column/)
  await expect(run((ctx) => ctx.step('outer', () => ctx.transaction('inner', () => 1)))).rejects.toThrow(
    /inside step "outer"/,
  )
})

test('a value that SQLite cannot hold is refused by its place: as the first one an object would be taken for names', async () => {
  const values: readonly (readonly [unknown, string])[] = [
    [new Date(0), 'a Date'],
    [{ a: 1 }, 'an object'],
    [true, 'boolean'],
    [undefined, 'undefined'],
  ]
  for (const [value, kind] of values) {
    const { message } = await failure((tx) => tx.run('insert into app_orders values (?, ?)', value as string, 1))
    expect(message).toContain(`Value 1 for "insert into app_orders values (?, ?)" is ${kind}, which SQLite cannot hold`)
  }
  await run((ctx) =>
    ctx.transaction('bytes', (tx) => tx.run('insert into app_orders values (?, ?)', Buffer.from('a'), 1)),
  )
  expect(await rows()).toMatchObject([{ amount: 1 }])
})
