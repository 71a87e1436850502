-- Pots: what budgets are counted in (core/src/pots.ts says what may follow what).
--
-- The counts of a pot hold what was spent and what is reserved, together: a grant looks at one row. What of it is only
-- reserved stands in `reservation`, a row for each pot and each call that is under way, or whose process died before it
-- could say what the call was worth. A settlement takes the row away, so the table stays as small as what is open.
create table pot (
  n integer primary key,
  id text not null unique,
  policy integer not null,             -- 0 ask, 1 downgrade, 2 stop
  downgrade_at real not null,
  caps text not null,                  -- JSON, as declared; a quantity that is not there has no cap
  ask text,                            -- JSON: whom to ask, for programs
  raised text not null default '{}',   -- JSON: by the id of each raise what it added
  tokens integer not null default 0,
  nano_usd integer not null default 0,
  model_calls integer not null default 0,
  tool_calls integer not null default 0,
  work_ms integer not null default 0
);

create table reservation (
  run text not null,                   -- run id
  key text not null,                   -- of the step
  attempt text not null,
  pot integer not null,
  tokens integer not null,
  nano_usd integer not null,
  model_calls integer not null,
  tool_calls integer not null,
  work_ms integer not null,
  primary key (run, key, attempt, pot)
) without rowid;
