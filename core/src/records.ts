/** What an engine can be asked for: how runs and questions stand, as people and readers of lists are shown them. */
import type { Outcome, Question, Signal, Start } from './journal/entry.ts'
import type { Json } from './values/json.ts'

export type RunStatus = 'pending' | 'running' | 'suspended' | 'completed' | 'failed' | 'cancelled'

/** It does not go on by itself: a retry may let it. */
export function hasEnded(status: RunStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

export interface RunSummary {
  readonly id: string
  readonly status: RunStatus
  readonly program: string
  readonly version?: string
  readonly parent?: string
  readonly tenant?: string
  readonly queue?: string
  readonly tags: { readonly [key: string]: string }
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly endedAt?: number
  /** Entries in the journal. */
  readonly entries: number
  /** Steps with a final outcome. */
  readonly steps: number
  /** Claims whose worker died without moving the cursor, since the cursor last moved. */
  readonly crashes: number
  /** While running: who has it. */
  readonly owner?: RunOwner
}

export interface RunOwner {
  readonly worker: string
  readonly pid: number
  readonly host: string
  /** False: it died and nobody has noticed, so the next worker takes the run over. Not there where nobody has looked. */
  readonly alive?: boolean
}

/** That a worker had the run: from its claim to the next one, the journal is its work. */
export interface RunClaim {
  /** Grows with each claim of the run. */
  readonly fence: number
  readonly worker: string
  readonly pid: number
  readonly host: string
  /** Epoch milliseconds. */
  readonly at: number
  /** Entries in the journal at the claim. */
  readonly from: number
  /** The dead worker that it was taken from. Not there if the run was free. */
  readonly recoveredFrom?: string
}

export interface RunDescription extends RunSummary {
  readonly start: Start
  readonly outcome?: Outcome
  /** While suspended: what it waits for. */
  readonly waitsFor?: { readonly signals: readonly string[]; readonly until?: number }
  /** Who has had it, oldest first, the newest 100: where it was asked for and the engine knows. */
  readonly claims?: readonly RunClaim[]
  /** The value of `Durable.status`. */
  readonly note?: Json
}

/** What costs more than a look at each step may. */
export interface DescribeOptions {
  /** Also `claims`. */
  readonly claims?: boolean
  /** Also whether `owner` is alive. */
  readonly liveness?: boolean
}

export interface RunQuery {
  readonly status?: RunStatus | readonly RunStatus[]
  readonly program?: string
  readonly version?: string
  readonly parent?: string
  readonly tenant?: string
  readonly tag?: { readonly key: string; readonly value: string }
  /** Epoch milliseconds, half-open [from, before). */
  readonly createdFrom?: number
  readonly createdBefore?: number
  /** 1–1,000; default 50. Newest first. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next?: string
}

/** A question with its run and, once there, its answer. */
export interface QuestionRecord extends Question {
  readonly runId: string
  readonly key: string
  readonly openedAt: number
  readonly status: 'open' | 'answered' | 'expired' | 'closed'
  readonly answer?: Signal
  /** Who gave it to whom, oldest first. `assignee` is the one who has it now. */
  readonly delegations?: readonly Delegation[]
  /** Of a question to several people: what they have said so far. */
  readonly votes?: readonly Vote[]
}

/** That somebody else is to answer. */
export interface Delegation {
  /** Of a question to several people: whose place it is. */
  readonly seat?: string
  /** Not there where the question had no assignee. */
  readonly from?: string
  readonly to: string
  readonly by?: string
  readonly reason?: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** What one of several people has said. */
export interface Vote {
  /** In whose place, as the question names it. */
  readonly seat: string
  readonly approved: boolean
  readonly reason?: string
  readonly by?: string
  readonly via?: string
  /** Epoch milliseconds. */
  readonly at: number
}

export interface QuestionQuery {
  readonly status?: QuestionRecord['status']
  readonly runId?: string
  /** Who has it now; of a question to several people each of them. */
  readonly assignee?: string
  readonly kind?: Question['kind']
  /** Of the run that asks. */
  readonly tag?: { readonly key: string; readonly value: string }
  /** 1–1,000; default 50. Newest first. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

/** Where in a journal it stands that nobody knows whether a step happened. */
export interface UnknownStep {
  readonly runId: string
  readonly seq: number
}

export interface UnknownQuery {
  /** 1–1,000; default 50. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}
