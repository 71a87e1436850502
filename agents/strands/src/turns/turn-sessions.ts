/**
 * The sessions that the turns of an agent are made in, one after the other: a fiber that runs it, opened when somebody wants
 * one and none is there, and given up when a turn stops without an end. What only a process knows, and must be told to each
 * new session, is kept here: the prompt that code gave the agent, and what its memory manager had heard before.
 */
import type { Durable, Json } from '@selvage/core'
import type { Agent } from '@strands-agents/sdk'
import { type UnlessLost, unlessRejected } from '../gates/guards.ts'
import { Scope } from '../gates/scope.ts'
import { heardSoFar } from '../plugins/memory.ts'
import { PromptWatch } from '../watches/prompt-watch.ts'
import type { StateWatch } from '../watches/state-watch.ts'
import { checkCode } from './code-change.ts'
import type { Frame, Nest } from './frames.ts'

/** A fiber that runs the agent. */
export interface Session {
  readonly durable: Durable
  /** Rejects when the run was taken from this process. */
  readonly lost?: Promise<never>
  /** Gives the run up, so that any process can go on with it. */
  close?(): Promise<void>
}

export interface TurnSessionsOptions {
  readonly agent: Agent
  readonly watch: StateWatch
  /** Of the scope: see frames.ts. */
  readonly prefix?: string
  /** Called when a turn begins and no session is open. */
  readonly open: () => Promise<Session>
  /** What all scopes of that session share. */
  readonly nest: (durable: Durable) => Nest
  /** Called when a session has been opened. */
  readonly begins?: (durable: Durable) => void
  /** The input of a first turn that has no entry of its own. */
  readonly firstInput: () => Json | undefined
}

interface Open {
  readonly session: Session
  readonly scope: Scope
  readonly unlessLost: UnlessLost
  /** The code has been looked at. */
  isChecked: boolean
}

export class TurnSessions {
  readonly #options: TurnSessionsOptions
  #open: Open | undefined
  /** Of all sessions: begins with what the agent has when the first one does. */
  #prompt: PromptWatch | undefined
  /** Messages that the agent's memory manager had heard of before its first turn. */
  #heardBefore: number | undefined

  constructor(options: TurnSessionsOptions) {
    this.#options = options
  }

  get now(): Open | undefined {
    return this.#open
  }

  /** `ended`: so many turns are over, as this process has seen them. `frame`: of an agent inside of others. */
  async opened(ended: number, frame: Frame | undefined): Promise<Open> {
    this.#open ??= await this.#begin(ended, frame)
    return this.#open
  }

  async #begin(ended: number, frame: Frame | undefined): Promise<Open> {
    const { agent, watch, prefix = '', firstInput } = this.#options
    const session = await this.#options.open()
    try {
      const nest = this.#options.nest(session.durable)
      this.#prompt ??= new PromptWatch(agent)
      this.#heardBefore ??= heardSoFar(agent)
      const [prompt, heardBefore] = [this.#prompt, this.#heardBefore]
      const scope = new Scope({ agent, nest, prefix, watch, prompt, firstInput, heardBefore })
      for (let turn = 0; turn < ended; turn++) scope.fold.nextTurn()
      return { session, scope, unlessLost: unlessRejected(session.lost), isChecked: false }
    } catch (error) {
      // Whoever asked an inner agent must not take that for its answer.
      if (frame !== undefined) frame.fatal = { error }
      await session.close?.()
      throw error
    }
  }

  /** Once for each session, behind the hooks of BeforeInvocation: those may give the agent prompt and tools. */
  async check(open: Open, frame: Frame | undefined): Promise<void> {
    if (open.isChecked) return
    const { session, scope } = open
    try {
      this.#options.begins?.(session.durable)
      checkCode(scope, scope.nest.onCodeChange, scope.nest.log)
      open.isChecked = true
    } catch (error) {
      if (frame !== undefined) frame.fatal = { error }
      await this.leave(scope)
      throw error
    }
  }

  async leave(scope: Scope): Promise<void> {
    const { session } = this.#open ?? {}
    this.#open = undefined
    scope.isClosed = true
    if (!scope.isLost) await session?.close?.()
  }
}
