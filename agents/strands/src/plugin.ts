/**
 * `durable({ runId })`: an unmodified Agent in its author's own process, made durable by one line.
 *
 * The run's program is `inline:<agent name>`, which no worker claims: whoever runs the author's program attaches to it.
 * On the engine it is a puppet; it hands its gate to the agent and has nothing to do itself. Nothing here keeps the
 * process alive.
 */
import {
  type Attachment,
  type Durable,
  type Engine,
  errorFromJson,
  type Host,
  LeaseLostError,
  type OptionNames,
  type Outcome,
  type Program,
  RunError,
  refuseNoSwitch,
  refuseNoText,
  refuseNoTexts,
  UsageError,
} from '@selvage/core'
import type { LocalAgent, Plugin } from '@strands-agents/sdk'
import { POLICY_OPTIONS, Policy, refuseOptions, type ToolPolicies } from './policies/policy.ts'
import { checkKinds, warn, warnOnce } from './programs/program-options.ts'
import { hasSessionManager } from './seams/plugins.ts'
import { bindAgent } from './turns/bind.ts'
import type { Session } from './turns/turn-sessions.ts'

export interface DurableOptions extends ToolPolicies {
  /** The same id is the same run: started again, the program goes on where it stopped. */
  readonly runId: string
  /**
   * What an open question to a person does. `false` (default): the invocation ends with stopReason `interrupt`, and the
   * program is run again after the answer. `true`: the invocation stays pending; it keeps no process alive.
   */
  readonly wait?: boolean
  /** As for managed agents. Default `continue`. */
  readonly onCodeChange?: 'continue' | 'stop'
  readonly tenant?: string
  /** Found again by `runs({ tag })`. */
  readonly tags?: { readonly [key: string]: string }
  /**
   * Whether the agent's own loop is relieved of what it does to all messages in each cycle: without that, long runs cost
   * the square of their cycles. Default true; `false` leaves the SDK's loop as it is. See docs/durable.md.
   */
  readonly linear?: boolean
  /** Where lines for the author go. Default: `console.warn`. */
  readonly log?: (line: string) => void
}

/** What the plugin runs on. Asked for once, with the first invocation. */
export type OpenDurable = () => Promise<{
  readonly engine: Engine
  readonly createHost: (programs: () => readonly Program[]) => Host
}>

export interface DurablePlugin extends Plugin {
  /** Gives the run up, so that another process can go on with it. Any later invocation takes it again. */
  detach(): Promise<void>
}

export const DURABLE_OPTIONS: OptionNames<DurableOptions> = {
  runId: true,
  wait: true,
  onCodeChange: true,
  ...POLICY_OPTIONS,
  tenant: true,
  tags: true,
  linear: true,
  log: true,
}

const NAME = 'selvage:durable'

/**
 * The plugin, for one Agent. `known`: with options of whoever opens for it. UsageError for options that are not built yet
 * (UNSUPPORTED) or make no sense (BAD_INPUT).
 *
 * An invocation rejects with RUN_HELD while another living process has the run, RUN_CONFLICT if its input is not the
 * recorded one, RUN_ENDED if the run was cancelled.
 */
export function createDurablePlugin(
  options: DurableOptions,
  open: OpenDurable,
  known: OptionNames<DurableOptions> = DURABLE_OPTIONS,
): DurablePlugin {
  refuseOptions('durable()', options, known)
  if (typeof options?.runId !== 'string' || options.runId === '') {
    throw new UsageError('BAD_INPUT', 'durable() needs a runId.', {
      hint: 'Give it one that says what the run is for: the same id goes on with the same run.',
    })
  }
  checkKinds('durable()', options)
  refuseNoSwitch('wait of durable()', options.wait)
  if (options.tenant !== undefined) refuseNoText('tenant of durable()', options.tenant)
  refuseNoTexts('The tags of durable()', options.tags)
  const { wait = false, onCodeChange = 'continue', linear = true, log = warnOnce } = options
  const policy = new Policy(options)
  refuseUndoable(policy)
  const run = new InlineRun(options, open)
  let release = async (): Promise<void> => {}
  return {
    name: NAME,
    initAgent(agent: LocalAgent) {
      const { agent: bound, turns } = bindAgent(agent, {
        policy,
        waits: wait,
        onCodeChange,
        log,
        open: () => run.attach(bound.name),
        linear,
        writesEnds: true,
        keepsSession: true,
      })
      release = () => turns.release()
      forgotten.register(bound, run)
      if (hasSessionManager(bound)) {
        log(
          `Agent "${bound.name}" has a SessionManager beside durable(): both keep the conversation. The run goes on from its journal, whatever the other one has loaded; one of them is enough.`,
        )
      }
    },
    detach: () => release(),
  }
}

/**
 * Runs whose agents nobody can reach any more, and so nobody can invoke: they are given up. A server that makes an agent for each
 * request would hold them all. What a run holds must not reach its agent, as long as nothing of the agent's is under way.
 */
const forgotten = new FinalizationRegistry((run: InlineRun) => run.forget())

/** A run that its author's program makes, turn by turn, does not fail: an error leaves its turn open, to be gone on with. */
function refuseUndoable({ undoable }: Policy): void {
  if (undoable.length === 0) return
  throw new UsageError(
    'UNSUPPORTED',
    `durable() cannot undo what ${undoable.join(', ')} did: compensate is not for it.`,
    {
      hint: 'Run the agent with selvage.agent(name, factory, { effects }), whose runs fail and are cancelled as a whole.',
    },
  )
}

/** The run of one agent on its engine: attached while turns run, given up while a person is asked. */
class InlineRun {
  readonly #options: DurableOptions
  readonly #open: OpenDurable
  #opened: ReturnType<OpenDurable> | undefined
  #attached: { readonly attachment: Attachment; readonly puppet: Puppet } | undefined

  constructor(options: DurableOptions, open: OpenDurable) {
    this.#options = options
    this.#open = open
  }

  async attach(agentName: string): Promise<Session> {
    const { runId, tenant, tags } = this.#options
    this.#opened ??= this.#open()
    const { engine, createHost } = await this.#opened.catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    if (engine.attach === undefined) throw cannotAttach(engine)
    const puppet = new Puppet(`inline:${agentName}`)
    const start = {
      program: puppet.name,
      input: null,
      ...(tenant !== undefined && { tenant }),
      ...(tags !== undefined && { tags }),
    }
    const attachment = await engine.attach(
      runId,
      start,
      createHost(() => [puppet]),
    )
    const lost = lostTo(runId, attachment)
    const durable = await Promise.race([puppet.durable, lost])
    this.#attached = { attachment, puppet }
    return { durable, lost, close: () => this.detach() }
  }

  async detach(): Promise<void> {
    const { attachment, puppet } = this.#attached ?? {}
    this.#attached = undefined
    puppet?.rest()
    // A cancelled run ends by itself now that nothing of the agent's is under way.
    if (puppet?.isCancelled) await attachment?.ended.catch(() => {})
    else await attachment?.detach()
  }

  /** Nobody waits for it: where it fails, the run stays with this process until that ends. */
  forget(): void {
    this.detach().catch(({ message }: Error) => (this.#options.log ?? warn)(message))
  }
}

/** The program of an inline run: hands its gate to the agent and rests. */
class Puppet implements Program {
  readonly name: string
  readonly resume = 'fold'
  readonly durable: Promise<Durable>
  isCancelled = false
  #hand: (durable: Durable) => void = () => {}
  readonly #resting: Promise<void>
  rest: () => void = () => {}

  constructor(name: string) {
    this.name = name
    this.durable = new Promise((resolve) => {
      this.#hand = resolve
    })
    this.#resting = new Promise((resolve) => {
      this.rest = resolve
    })
  }

  async run(durable: Durable): Promise<never> {
    const cancelled = (): void => {
      this.isCancelled = !LeaseLostError.is(durable.abortSignal.reason)
    }
    durable.abortSignal.addEventListener('abort', cancelled, { once: true })
    this.#hand(durable)
    try {
      // Nobody sends it: an engine sees a program that waits, and may leave the run at any time.
      await durable.wait('attached', 'detached')
    } catch (error) {
      await this.#resting
      throw error
    }
    throw new Error('A signal named "detached" ended an inline run.')
  }
}

/** Rejects when another process has taken the run, when it has ended though the agent is at it, or the engine failed. */
function lostTo(runId: string, attachment: Attachment): Promise<never> {
  const lost = attachment.ended.then(
    (outcome) => {
      throw ended(runId, outcome)
    },
    (cause: unknown) => {
      if (!LeaseLostError.is(cause)) throw cause
      throw new RunError('RUN_HELD', `Run ${runId} was taken over while this process stood still.`, {
        hint: 'Start the program again once the other process has finished.',
        details: { runId },
        cause,
      })
    },
  )
  lost.catch(() => {})
  return lost
}

function ended(runId: string, outcome: Outcome): RunError {
  const details = { runId }
  if ('error' in outcome) {
    const cause = errorFromJson(outcome.error)
    const hint = `\`selvage retry ${runId}\` lets it go on when it is invoked next; another run id begins anew.`
    return new RunError('RUN_ENDED', `Run ${runId} has failed: ${cause.message}`, { hint, details, cause })
  }
  const how = 'cancelled' in outcome ? `was cancelled: ${outcome.cancelled}` : 'has ended'
  return new RunError('RUN_ENDED', `Run ${runId} ${how}.`, { hint: 'Use another run id.', details })
}

function cannotAttach(engine: Engine): UsageError {
  return new UsageError(
    'UNSUPPORTED',
    `Engine '${engine.manifest.name}' cannot run an agent in its author's process.`,
    {
      hint: 'Register it with selvage.agent(name, factory), or use the embedded engine for durable().',
    },
  )
}
