-- Questions to several people: one row for each seat. A question to one person has its assignee in its own row.
create table seat (
  question integer not null,
  seat text not null,                  -- as the question names it
  assignee text not null,              -- who sits on it now
  voted integer not null default 0,    -- 0, 1
  primary key (question, seat)
) without rowid;
create index seat_assignee on seat (assignee);
