-- The outbox: messages that entries carry (`sent` in their bodies), from the commit of the entry on. What may follow
-- what: core/src/outbox.ts. Only the first open message of a run (of a topic that begins with `$`: of run and topic) has
-- a time at which it is due; when it is delivered or dead the next one gets its own. So whoever looks for work finds
-- nothing that would have to wait for another, and nothing at all costs one look into an empty index.
create table outbox (
  n integer primary key,               -- in the order of the commits
  id text not null unique,
  run integer not null,
  topic text not null,
  lane text,                           -- the topic, if it begins with `$`: what its order is kept in
  entry integer not null,              -- the entry that carries it, …
  place integer not null,              -- … and which of its messages it is
  state integer not null,              -- 0 waiting, 1 delivering, 2 delivered, 3 dead
  due integer,                         -- waiting, and first of its lane: when
  fence integer not null default 0,    -- grows with each claim
  owner text,                          -- delivering: the worker; waiting: the dead worker that delivered it
  attempts integer not null default 0,
  settled integer,
  error text                           -- JSON: how its last delivery failed
);
create index outbox_due on outbox (topic, due) where due is not null;
create index outbox_run on outbox (run, state, n);
create index outbox_state on outbox (state) where state <> 2;

drop view journal;
create view journal as
  select run.id as run, seq,
    case type & 15 when 0 then 'step ok' when 1 then 'state' when 2 then 'intent' when 3 then 'retry'
      when 4 then 'step error' when 5 then 'step unknown' when 6 then 'step interrupts' when 7 then 'signal'
      when 8 then 'open' when 9 then 'wait' when 10 then 'start' when 11 then 'end' when 12 then 'reopen' end as type,
    strftime('%Y-%m-%dT%H:%M:%f', at / 1000.0, 'unixepoch') as at,
    key,
    case op & 3 when 0 then 'model' when 1 then 'tool' when 2 then 'code' when 3 then 'child' end as kind,
    coalesce((select text from name where name.n = entry.name), entry.name) as name,
    case op >> 2 when 1 then 'read' when 2 then 'idempotent' when 3 then 'once' end as effect,
    attempt, took, cast(body as text) as body
  from entry join run on run.n = entry.run;
