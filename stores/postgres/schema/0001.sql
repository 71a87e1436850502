-- Selvage on PostgreSQL: runs, their journals, and what wakes them. All of it is in one schema, by default `selvage`.
--
-- A run is a row of `run`; everything that happened to it is its journal, its rows of `entry`. The row of the run says
-- only where it stands:
--
--   pending    nobody has it; due at `due`                        create, release, reopen, the death of its worker
--   running    the worker `owner` has it                          claim
--   suspended  nobody has it; waits for the names in `waits`;     suspend
--              due at `due`, or never until a signal comes
--   completed, failed, cancelled: ended                           finish
--
-- Who may move what. Every transition locks the row of its run first, so all that happens to a run happens one after the
-- other. A claim moves pending and suspended runs that are due to running, and adds 1 to `fence`. Only who holds that fence
-- may append to the journal, suspend, release or finish, and only while the run is running: each such write names fence and
-- status in its condition, and changes nothing where they do not hold. The death of a worker takes its runs back to pending
-- at once, so that a worker that was only cut off finds its writes refused when it is back. Anybody may write to the inbox
-- of a run that has not ended (the end of a child also to one that has, as it may be reopened); that moves `due`, never
-- `status`.
--
-- What is never true:
--   two entries with one (run, seq), or a seq without the one before it
--   an entry changed or deleted
--   a run that is running without an owner in `worker`
--   a signal journaled twice, or replaced by a later one with its id
--
-- Who locks several rows locks them in order: runs by `n`, pots by `id`.
--
-- Times are epoch milliseconds by the clock of the caller, as JavaScript has them; only leases are in the time of the
-- database (src/workers.ts). Text that PostgreSQL cannot hold (U+0000, lone surrogates), and text that begins with a
-- quotation mark, stands as a JSON string; bodies are JSON in text, so that they come back as they were.

-- `n` stands for the run in every other table. Appends change `length`, `steps` and `last_at`, none of which is in an index:
-- room in the page lets them stay there.
create table run (
  n bigint generated always as identity primary key,
  id text not null unique,
  status text not null,
  program text not null,
  version text,
  serves text not null,                        -- JSON of program and version: what workers claim by
  parent text,                                 -- run id
  tenant text,
  queue text,
  tags text,                                   -- JSON object
  input_hash text not null,                    -- with `program`, what makes two starts equal
  created double precision not null,
  updated double precision not null,           -- last transition; entries may be younger
  ended double precision,
  due double precision,                        -- when a worker should take it; null while running, ended or waiting without end
  waits text,                                  -- while suspended: {"signals":[…],"until":…}
  note text,                                   -- JSON shown beside the status
  fence bigint not null default 0,
  owner text,                                  -- running: the worker; pending: the dead worker that had it
  held_from integer not null default 0,        -- length of the journal at the last claim
  crashes integer not null default 0,          -- claims in a row whose worker died with the journal still that long
  length integer not null,                     -- entries in the journal
  steps integer not null,                      -- of them, steps that are final
  last_at double precision not null            -- of the last entry
) with (fillfactor = 70);
create index run_due on run (serves, due, n) where due is not null;
-- Suspects: runs whose process died twice in a row without moving them (SUSPECT_CRASHES of core).
create index run_suspect on run (serves, due, n) where due is not null and crashes >= 2;
create index run_owner on run (owner, n) where status = 'running';
create index run_status on run (status, created, n);

-- What runs are listed by, newest first: `run` (all of them, value ''), `program`, `version`, `tenant`, `parent`, and
-- `tag <key>`.
create table label (
  name text not null,
  value text not null,
  created double precision not null,
  run bigint not null,
  primary key (name, value, created, run)
);
create index label_run on label (run);

create table entry (
  run bigint not null,
  seq integer not null,
  kind text not null,                          -- its type; of a step without success how it ended: error, unknown, interrupts;
                                               -- of a wait that no signal ended: timeout
  at double precision not null,
  key text,
  body text not null,                          -- JSON of the entry without `seq`
  primary key (run, seq)
);

-- Steps of which nobody knows whether they happened, over all runs, in the order of the commits.
create table unknown_step (
  n bigint generated always as identity primary key,
  run bigint not null,
  seq integer not null
);
create index unknown_step_run on unknown_step (run);

-- Signals, first writer first. `body` {"payload":…,"by":…,"at":…} until the journal has the signal, as its entry `seq`.
create table inbox (
  run bigint not null,
  id text not null,
  name text not null,
  arrival bigint generated always as identity, -- orders the pending ones
  seq integer,
  body text,
  primary key (run, id)
);
create index inbox_pending on inbox (run, arrival) where seq is null;

-- Questions to people and outside systems: a projection of `open` entries, their waits and answers.
create table question (
  n bigint generated always as identity primary key,
  id text not null unique,
  run bigint not null,
  seq integer not null,                        -- the `open` entry
  key text not null,
  kind text not null,
  assignee text,
  status text not null,                        -- open, answered, expired, closed
  level integer                                -- 2, 3, … where those before have not answered in time
);
create index question_run on question (run);
create index question_status on question (status, n);
create index question_assignee on question (assignee, n) where assignee is not null;

-- Of a question to several people one row for each seat: who sits on it now, and whether it has voted.
create table seat (
  question bigint not null,
  seat text not null,                          -- as the question names it
  assignee text not null,
  voted boolean not null default false,
  primary key (question, seat)
);
create index seat_assignee on seat (assignee);

-- Workers that are alive, as far as anybody knows. The session of each holds the advisory lock `number`, which the server
-- frees when that connection ends; the lease is for one that stands still, or whose machine is gone without a word.
create table worker (
  id text primary key,
  number integer generated always as identity unique,
  pid integer not null,
  host text not null,
  lease_until double precision not null,       -- in the time of the database
  server double precision                      -- since when the server runs that gave it the lock
);

-- Who has had a run: a row for each claim, the newest 100 of a run.
create table claim (
  run bigint not null,
  fence bigint not null,
  at double precision not null,
  length integer not null,                     -- entries in the journal then
  worker text not null,
  pid integer not null,
  host text not null,
  recovered_from text,                         -- the dead worker that it was taken from
  primary key (run, fence)
);

-- The outbox: messages that entries carry (`sent` in their bodies), from the commit of the entry on, and notices. What may
-- follow what: core/src/outbox.ts. Only the first open message of a run (of a topic that begins with `$`: of run and topic)
-- has a time at which it is due; when it is delivered or dead the next one gets its own.
create table outbox (
  n bigint generated always as identity primary key,
  id text not null unique,
  run bigint not null,
  topic text not null,
  lane text not null,                          -- the topic, if it begins with `$`, else '': what its order is kept in
  seq integer,                                 -- the entry that carries it, …
  place integer,                               -- … and which of its messages it is
  notice text,                                 -- of a message that no entry carries: JSON {"type":…,…}
  sent_at double precision not null,
  state text not null,                         -- waiting, delivering, delivered, dead
  due double precision,                        -- waiting, and first of its lane: when
  fence integer not null default 0,            -- grows with each claim
  owner text,                                  -- delivering: the worker; waiting: the dead worker that delivered it
  attempts integer not null default 0,
  settled double precision,
  error text                                   -- JSON: how its last delivery failed
);
create index outbox_due on outbox (topic, due, n) where due is not null;
create index outbox_open on outbox (run, lane, n) where state in ('waiting', 'delivering');
create index outbox_run on outbox (run, n);
create index outbox_owner on outbox (owner) where state = 'delivering';
create index outbox_state on outbox (state, n) where state <> 'delivered';

-- Whom notices are told to, and which; `seen`: when it was served last.
create table subscriber (
  topic text primary key,
  notices text[] not null,
  seen double precision not null
);

-- Pots: what budgets are counted in (core/src/pots.ts). The counts hold what was spent and what is reserved, together.
create table pot (
  n bigint generated always as identity primary key,
  id text not null unique,
  policy text not null,
  downgrade_at double precision not null,
  caps text not null,                          -- JSON, as declared; a quantity that is not there has no cap
  ask text,                                    -- JSON: whom to ask, for programs
  raised text not null default '{}',           -- JSON: by the id of each raise what it added
  tokens double precision not null default 0,
  nano_usd double precision not null default 0,
  model_calls double precision not null default 0,
  tool_calls double precision not null default 0,
  work_ms double precision not null default 0
);

-- What is only reserved: of calls under way, or whose process died before it could say what the call was worth.
create table reservation (
  run text not null,                           -- run id
  key text not null,                           -- of the step
  attempt text not null,
  pot bigint not null,
  tokens double precision not null,
  nano_usd double precision not null,
  model_calls double precision not null,
  tool_calls double precision not null,
  work_ms double precision not null,
  primary key (run, key, attempt, pot)
);
create index reservation_pot on reservation (pot);

create table blob (
  hash text primary key,                       -- SHA-256, hexadecimal
  bytes bytea not null,
  doomed double precision                      -- the run that named it was discarded then; a later put spares it
);
create index blob_doomed on blob (doomed) where doomed is not null;

-- ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
-- What becomes true of runs, questions and steps is told in the commit that makes it true, to each subscriber that wants it,
-- behind the open messages of the same run to the same one.

create function tell(of_run bigint, type text, told json) returns void language sql set search_path from current as $$
  insert into outbox (id, run, topic, lane, notice, sent_at, state, due)
    select 'ntf_' || left(replace(gen_random_uuid()::text, '-', ''), 22), of_run, topic, topic, told::text,
      coalesce((told->>'at')::double precision, run.last_at), 'waiting', case when exists (
        select from outbox where outbox.run = of_run and lane = topic and state in ('waiting', 'delivering')
      ) then null else run.last_at end
    from subscriber, run where run.n = of_run and notices @> array[type]
$$;

create function run_moved() returns trigger language plpgsql set search_path from current as $$
declare type text := case
  when new.status = 'running' then case when old.fence = 0 then 'run.started' end
  when new.status = 'pending' then case when old.status in ('failed', 'cancelled') then 'run.retried' end
  else 'run.' || new.status
end;
begin
  if type is not null and exists (select from subscriber) then
    perform tell(new.n, type, case new.status
      when 'suspended' then json_build_object('type', type, 'at', new.updated, 'waitsFor', new.waits::json)
      else json_build_object('type', type, 'at', new.updated) end);
  end if;
  return null;
end $$;
create trigger run_moved after update of status on run for each row
  when (new.status <> old.status or new.fence <> old.fence) execute function run_moved();

create function question_moved() returns trigger language plpgsql set search_path from current as $$
declare is_new boolean := tg_op = 'INSERT';
begin
  if not exists (select from subscriber) then return null; end if;
  if is_new and new.kind = 'budget' then
    perform tell(new.run, 'budget.exceeded', json_build_object('type', 'budget.exceeded', 'question', new.id));
  end if;
  if is_new and new.level is not null then
    perform tell(new.run, 'question.escalated', json_build_object('type', 'question.escalated', 'question', new.id));
  elsif new.kind = 'callback' then
    null;
  elsif is_new or (new.seq <> old.seq and new.status = 'open') then
    perform tell(new.run, 'question.opened', json_build_object('type', 'question.opened', 'question', new.id));
  end if;
  if is_new then return null; end if;
  if new.seq = old.seq and new.assignee is distinct from old.assignee then
    perform tell(new.run, 'question.delegated',
      json_build_object('type', 'question.delegated', 'question', new.id, 'from', old.assignee, 'to', new.assignee));
  end if;
  if new.kind <> 'callback' and new.status <> old.status then
    if new.status = 'answered' and old.status = 'open' then
      perform tell(new.run, 'question.answered', json_build_object('type', 'question.answered', 'question', new.id));
    elsif new.status = 'expired' then
      perform tell(new.run, 'question.expired', json_build_object('type', 'question.expired',
        'at', (select last_at from run where n = new.run), 'question', new.id));
    end if;
  end if;
  return null;
end $$;
create trigger question_moved after insert or update on question for each row execute function question_moved();

create function seat_moved() returns trigger language plpgsql set search_path from current as $$
declare asked question := (select question from question where n = new.question);
begin
  if new.assignee <> old.assignee then
    perform tell(asked.run, 'question.delegated', json_build_object('type', 'question.delegated',
      'question', asked.id, 'seat', new.seat, 'from', old.assignee, 'to', new.assignee));
  end if;
  if new.voted and not old.voted then
    perform tell(asked.run, 'question.voted',
      json_build_object('type', 'question.voted', 'question', asked.id, 'seat', new.seat));
  end if;
  return null;
end $$;
create trigger seat_moved after update on seat for each row execute function seat_moved();

create function effect_unknown() returns trigger language plpgsql set search_path from current as $$
begin
  insert into unknown_step (run, seq) values (new.run, new.seq);
  perform tell(new.run, 'effect.unknown', json_build_object('type', 'effect.unknown', 'at', new.at, 'step', new.key));
  return null;
end $$;
create trigger effect_unknown after insert on entry for each row when (new.kind = 'unknown')
  execute function effect_unknown();

create function question_reminded() returns trigger language plpgsql set search_path from current as $$
begin
  perform tell(new.run, 'question.reminder',
    json_build_object('type', 'question.reminder', 'at', new.at, 'question', id))
    from question where run = new.run and key = left(new.key, strpos(new.key, '/reminder#') - 1);
  return null;
end $$;
create trigger question_reminded after insert on entry for each row
  when (new.kind = 'timeout' and new.key like '%/reminder#%') execute function question_reminded();
