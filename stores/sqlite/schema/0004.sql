-- Of a question: 2, 3, … where those before have not answered in time.
alter table question add column level integer;

-- A message that no entry carries: a notice, JSON {"type":…,…} (notices.ts). `entry` and `place` of it are 0.
alter table outbox add column notice text;
