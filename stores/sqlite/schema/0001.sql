-- Selvage on SQLite: runs, their journals, and what wakes them.
--
-- A run is a row of `run`; everything that happened to it is its journal, a chain of rows of `entry`. The row of the run
-- says only where it stands:
--
--   pending    nobody has it; due at `due`                        create, release, reopen, the death of its worker
--   running    the worker `owner` has it, and its row in `live`   claim
--   suspended  nobody has it; waits for the names in `waits`;     suspend
--              due at `due`, or never until a signal comes
--   completed, failed, cancelled: ended                           finish
--
-- Who may move what. A claim moves pending and suspended runs that are due to running, and adds 1 to `fence`. Only who
-- holds that fence may append to the journal, suspend, release or finish, and only while the run is running: each such
-- write looks for the row in `live` with its fence, and changes nothing where there is none. The death of a worker takes
-- its runs back to pending at once, so that a worker that was only stopped finds its writes refused when it wakes.
-- Anybody may write to the inbox of a run that has not ended (the end of a child also to one that has, as it may be
-- reopened); that moves `due`, never `status`.
--
-- What is never true:
--   two entries with one (run, seq), or a seq without the one before it
--   an entry changed or deleted
--   a run that is running without a row in `live` and an owner in `worker`, or one with them that is not
--   a signal journaled twice, or replaced by a later one with its id
--   a payload stored twice: the inbox gives its own up when the journal has it, a question is read from its entry
--
-- Times are epoch milliseconds by the clock of the caller; SQL never asks for the time. Text that UTF-8 cannot hold
-- (lone surrogates), and text that begins with a quotation mark, stands as a JSON string; bodies are JSON. Numbers come
-- from JavaScript as doubles: every column for them is declared integer, so that they are kept as such.

-- `n` stands for the run in every other table.
create table run (
  n integer primary key,
  id text not null unique,
  status integer not null,             -- 0 pending, 1 running, 2 suspended, 3 completed, 4 failed, 5 cancelled
  program text not null,
  version text,
  parent text,                         -- run id
  tenant text,
  queue text,
  tags text,                           -- JSON object
  input_hash text not null,            -- with `program`, what makes two starts equal
  created integer not null,
  updated integer not null,            -- last transition; entries may be younger
  ended integer,
  due integer,                         -- when a worker should take it; null while running, ended or waiting without end
  waits text,                          -- while suspended: {"signals":[…],"until":…}
  note text,                           -- JSON shown beside the status
  fence integer not null default 0,
  owner text,                          -- running: the worker; pending: the dead worker that had it
  held_from integer not null default 0,-- length of the journal at the last claim
  crashes integer not null default 0,  -- claims in a row whose worker died with the journal still that long
  length integer not null,             -- entries in the journal        ┐
  steps integer not null,              -- of them, steps that are final │ while running, `live` knows better
  last integer not null                -- the last entry                ┘
);

-- Claims. One range of the index for each program that a worker knows.
create index run_due on run (program, version, due) where due is not null;

create index run_status on run (status, created);

-- What runs are listed by, newest first: `run` (all of them, value ''), `program`, `version`, `tenant`, `parent`, and
-- `tag <key>`. One table, because an index for each would be a page each in every new database.
create table label (
  name text not null,
  value text not null,
  created integer not null,
  run integer not null,
  primary key (name, value, created, run)
) without rowid;

-- What changes with the entries of a running run, apart from all that does not: the few rows of the runs at work share a
-- page or two, whatever number of runs there is. A row that is `behind` may lack up to 32 entries of its run, which stand
-- after `last`: a run that has the store to itself writes its entries and nothing else. The heartbeat of its worker, too,
-- brings the row up to date, so that nobody ever looks through more entries than those of a few seconds.
create table live (
  run integer primary key,
  fence integer not null,
  length integer not null,
  steps integer not null,
  last integer not null,
  behind integer not null              -- 0, 1
);

-- The journals of all runs, in the order of their commits. An append, whichever run it is for, dirties the last page of
-- this table, and now and then that of its row in `live`; an index on (run, seq) would dirty a page for each run. So each entry points
-- to the `previous` one of its run, and only one in 64 is in the index, as a place to walk back from.
create table entry (
  n integer primary key,
  run integer not null,
  seq integer not null,
  previous integer,                    -- the entry before it in its run
  type integer not null,               -- as in the view `journal`
  at integer not null,
  key text,
  op integer,                          -- kind + 4 × effect: 0 model, 1 tool, 2 code, 3 child; 0 –, 1 read, 2 idempotent, 3 once
  name integer,                        -- number of a `name`, or text
  "check" text,                        -- as bytes where it is the base64url of some
  attempt integer,
  took integer,                        -- at − startedAt; text "=startedAt" where that is not exact
  timeout integer,
  body text                            -- JSON; as bytes where `rest` has more of it
);
create unique index entry_anchor on entry (run, seq) where seq % 64 = 0;

-- Names of models and tools.
create table name (
  n integer primary key,
  text text not null
);

-- Ends of bodies that would leave a page half empty: at most three for an entry, all of one size, of which four fill a
-- page. `n` is 4 × that of the entry + 0, 1, 2.
create table rest (
  n integer primary key,
  bytes blob not null
);

-- Signals, first writer first. `body` {"payload":…,"by":…,"at":…} until the journal has the signal, as `entry`; then null.
create table inbox (
  run integer not null,
  id text not null,
  name text not null,
  arrival integer not null,            -- orders the pending ones
  entry integer,
  body text,
  primary key (run, id)
) without rowid;
create index inbox_pending on inbox (run, arrival) where entry is null;

-- Questions to people and outside systems: a projection of `open` entries, their waits and answers.
create table question (
  n integer primary key,
  id text not null unique,
  run integer not null,
  entry integer not null,              -- the `open` entry
  key text not null,
  kind integer not null,               -- 0 approval, 1 interrupt, 2 callback, 3 unknown
  assignee text,
  status integer not null              -- 0 open, 1 answered, 2 expired, 3 closed
);
create index question_status on question (status);
create index question_run on question (run);
create index question_kind on question (kind);
create index question_assignee on question (assignee) where assignee is not null;

-- Workers that are alive, as far as anybody knows. Each holds an exclusive lock on its own file beside the database,
-- which the kernel frees at its death; the lease is for those that live but stand still.
create table worker (
  id text primary key,
  pid integer not null,
  host text not null,
  lease_until integer not null
) without rowid;

-- Who has had a run: a row for each claim, the newest 100 of a run.
create table claim (
  run integer not null,
  fence integer not null,
  at integer not null,
  length integer not null,             -- entries in the journal then
  worker text not null,
  pid integer not null,
  host text not null,
  recovered_from text,                 -- the dead worker that it was taken from
  primary key (run, fence)
) without rowid;

create table blob (
  hash text primary key,               -- SHA-256, hexadecimal
  bytes blob not null
) without rowid;

-- For people with a SQLite shell.
create view journal as
  select run.id as run, seq,
    case type when 0 then 'step ok' when 1 then 'state' when 2 then 'intent' when 3 then 'retry' when 4 then 'step error'
      when 5 then 'step unknown' when 6 then 'step interrupts' when 7 then 'signal' when 8 then 'open' when 9 then 'wait'
      when 10 then 'start' when 11 then 'end' when 12 then 'reopen' end as type,
    strftime('%Y-%m-%dT%H:%M:%f', at / 1000.0, 'unixepoch') as at,
    key,
    case op & 3 when 0 then 'model' when 1 then 'tool' when 2 then 'code' when 3 then 'child' end as kind,
    coalesce((select text from name where name.n = entry.name), entry.name) as name,
    case op >> 2 when 1 then 'read' when 2 then 'idempotent' when 3 then 'once' end as effect,
    attempt, took, cast(body as text) as body
  from entry join run on run.n = entry.run;
