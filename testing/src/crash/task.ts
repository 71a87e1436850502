import type { Json, Outcome, Start } from '@selvage/core'
import type { Hits, KillAt, Moment } from './kill-switch.ts'
import type { PlaceOptions } from './under-test.ts'

/** What a child process is told, as JSON. */
export interface Task {
  /** URL of the engine's module. */
  readonly engine: string
  /** URL of the scenario's module. */
  readonly scenario: string
  readonly folder: string
  readonly options: PlaceOptions
  readonly ledger: string
  readonly runId: string
  /** How the run is started. */
  readonly start: Start
  /** URL of the bank where its effects happen, for programs that ask one. */
  readonly bank?: string
  /**
   * `drive`: works, and does for the run what somebody outside does, until it has ended. `work`: works until it is
   * killed. `answer`: says that it is ready, waits for a line and answers the question `question`.
   */
  readonly role: 'drive' | 'work' | 'answer'
  readonly kill?: KillAt
  readonly question?: string
}

/** What a child process says, a line of JSON each. */
export interface News {
  readonly ready?: true
  readonly stopping?: Moment
  /** The code of the error with which an append was refused. */
  readonly refused?: string
  readonly answered?: {
    readonly accepted: boolean
    readonly by?: string
    readonly at?: number
    readonly payload?: unknown
  }
  readonly ended?: Outcome
  readonly hits?: Hits
  /** Something that a program told of itself: see Outside.tell. */
  readonly told?: Json
  /** A line on its standard error. */
  readonly warned?: string
}
