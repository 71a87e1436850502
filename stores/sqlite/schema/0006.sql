-- Entries of runs that are undone, and of forks, have names in the view as well.
drop view journal;
create view journal as
  select run.id as run, seq,
    case type & 15 when 0 then 'step ok' when 1 then 'state' when 2 then 'intent' when 3 then 'retry'
      when 4 then 'step error' when 5 then 'step unknown' when 6 then 'step interrupts' when 7 then 'signal'
      when 8 then 'open' when 9 then 'wait' when 10 then 'start' when 11 then 'end' when 12 then 'reopen'
      when 13 then 'undo' when 14 then 'past' end as type,
    strftime('%Y-%m-%dT%H:%M:%f', at / 1000.0, 'unixepoch') as at,
    key,
    case op & 3 when 0 then 'model' when 1 then 'tool' when 2 then 'code' when 3 then 'child' end as kind,
    coalesce((select text from name where name.n = entry.name), entry.name) as name,
    case op >> 2 when 1 then 'read' when 2 then 'idempotent' when 3 then 'once' end as effect,
    attempt, took, cast(body as text) as body
  from entry join run on run.n = entry.run;
