-- Discarding. `selvage discard` takes ended runs and all rows of theirs away: it alone deletes entries. A blob that no entry
-- refers to any more is marked here and goes later, for whoever has just put the same bytes writes its entry after that;
-- such a `put` takes the mark away.
create table doomed (
  hash text primary key,
  at integer not null                  -- when the mark was made
) without rowid;
