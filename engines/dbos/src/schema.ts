/**
 * What lies in our own schema, beside the tables of DBOS in the same database. DBOS keeps the journal of what goes on; here
 * is what it has no place for: an index of runs, the inbox, the questions, the entries of generations that are over (DBOS
 * may be told to delete ended workflows), large values, and which workers live.
 */

/** Grows with each change of the tables below. */
export const SCHEMA_VERSION = 1

export function schemaSql(schema: string): string {
  return `
    -- "if not exists" asks for CREATE on the database also of whoever was given a schema that is there.
    do $$ begin
      if to_regnamespace('${schema}') is null then create schema ${schema}; end if;
    end $$;

    create table if not exists ${schema}.meta (key text primary key, value text not null);

    -- status: as in the port. workflow: the one of DBOS that drives the run now, or drove it last; parked: it waits for its
    -- time, or for a signal. entries, steps: when a generation last stood still. claim, crashes: which advance was taken up
    -- by how many attempts in a row. Texts are JSON.
    create table if not exists ${schema}.run (
      id text primary key,
      program text not null,
      version text,
      parent text,
      tenant text,
      tags jsonb not null,
      start text not null,
      created_at bigint not null,
      updated_at bigint not null,
      status text not null,
      generation int not null,
      workflow text not null,
      parked boolean not null default false,
      entries int not null default 0,
      steps int not null default 0,
      reopenings int not null default 0,
      claim text,
      crashes int not null default 0,
      waits_for text,
      note text,
      outcome text
    );
    create index if not exists run_by_age on ${schema}.run (created_at desc, id);
    create index if not exists run_by_status on ${schema}.run (status, created_at desc);
    create index if not exists run_by_parent on ${schema}.run (parent) where parent is not null;
    create index if not exists run_by_workflow on ${schema}.run (workflow);

    -- Of generations that are over.
    create table if not exists ${schema}.entry (
      run text not null references ${schema}.run on delete cascade,
      seq int not null,
      body text not null,
      primary key (run, seq)
    );

    -- The first of each id counts; seq is the order in which they were accepted.
    create table if not exists ${schema}.signal (
      run text not null references ${schema}.run on delete cascade,
      seq int not null,
      id text not null,
      body text not null,
      primary key (run, id)
    );
    create unique index if not exists signal_in_order on ${schema}.signal (run, seq);

    create table if not exists ${schema}.question (
      id text primary key,
      run text not null references ${schema}.run on delete cascade,
      key text not null,
      kind text not null,
      assignee text,
      opened_at bigint not null,
      status text not null,
      body text not null
    );
    create index if not exists question_by_run on ${schema}.question (run);
    create index if not exists question_by_age on ${schema}.question (opened_at desc, id);

    create table if not exists ${schema}.blob (hash text primary key, bytes bytea not null);

    -- A worker is dead when it is silent and nobody holds its lock, or when it has been silent for a whole lease.
    create table if not exists ${schema}.worker (
      executor text primary key,
      lock bigint not null,
      seen_at timestamptz not null
    );
  `
}
