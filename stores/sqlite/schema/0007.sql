-- Suspects: runs that are due, and whose process died twice in a row without moving them (SUSPECT_CRASHES of core).
create index run_suspect on run (program, version, due) where due is not null and crashes >= 2;
