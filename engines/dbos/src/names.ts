/** How what is ours is called in DBOS, and what it is handed. */
/** What DBOS knows as an application: all workers of a name share runs, and see no others. Also the name of our schema. */
export interface Names {
  readonly application: string
  /** Workers of another one leave our workflows alone: it changes when the loop of a run does. */
  readonly applicationVersion: string
  /** Of the one workflow. */
  readonly workflow: string
  readonly channel: string
}

export function namesOf(application: string): Names {
  return { application, applicationVersion: `${application}-1`, workflow: application, channel: application }
}

/** One for each program and version, so that a worker is given only what it has registered. */
export function queueOf({ application }: Names, program: string, version: string | undefined): string {
  return version === undefined ? `${application}:${program}` : `${application}:${program}@${version}`
}

export function workflowOf({ application }: Names, runId: string, generation: number): string {
  return `${application}:${runId}#${generation}`
}

/** The input of a workflow: a stretch of a run, from where the one before it stood still. */
export interface Begin {
  readonly runId: string
  readonly generation: number
  /** Entries, and steps among them, of all generations before. */
  readonly entries: number
  readonly steps: number
  /** Signals below this number are in the journal. */
  readonly heard: number
  /** Epoch milliseconds. */
  readonly at: number
}
