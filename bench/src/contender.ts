/**
 * What is measured, and what it is measured beside. One of ours is a folder of `contenders`, with a file for each workload
 * that it takes part in; a peer is a folder of bench/peers. A workload never knows who takes part.
 *
 * Every session runs in a process of its own (session-process.ts), so that heaps, compiled code and timers of two
 * contenders never mix; the processes live side by side and are asked in turn.
 */
import type { ServerName } from './servers.ts'

/** `full`: what was acknowledged survives loss of power. `normal`: the death of the process. */
export type Durability = 'full' | 'normal'

export interface StepShape {
  readonly durability: Durability
  /** UTF-8 bytes of JSON that each step records. */
  readonly bytes: number
  /** Journal the intent before the effect. */
  readonly once?: boolean
}

/** Steps that each record a value. */
export interface StepSession {
  /** One step after another in one run. Resolves to the milliseconds that each took, from asked for to acknowledged. */
  inOneRun(steps: number): Promise<readonly number[]>
  /** So many runs at once with so many steps each, from the first start to the last step; how long each step took. */
  atOnce?(runs: number, steps: number): Promise<{ readonly ms: number; readonly stepMs: readonly number[] }>
  /** How many steps are recorded, where nobody else can count them. */
  count?(): Promise<number | undefined>
  /** Ends what is open and puts everything into the database file. */
  close(): Promise<void>
}

/** Milliseconds since the process was started. */
export interface Recovery {
  readonly nodeStarted: number
  readonly imported: number
  readonly opened: number
  readonly claimed: number
  readonly loaded: number
  /** The first step that the journal did not have has begun. */
  readonly nextStep: number
  /** Bodies of recorded steps that ran again. */
  readonly repeated: number
}

/** Of an agent. Milliseconds since the process was started. */
export interface AgentRecovery {
  readonly nodeStarted: number
  readonly sdkImported: number
  /** All modules are there, the agent's too. */
  readonly imported: number
  readonly opened: number
  readonly claimed: number
  readonly loaded: number
  /** The author's agent is made. */
  readonly made: number
  /** The first call of model or tool. */
  readonly nextStep: number
  /** 1: that call was recorded, and is made again. */
  readonly repeated: number
}

/** Of an agent that is kept in another way, whose parts nobody tells. Milliseconds since the process was started. */
export interface KeptRecovery {
  readonly nodeStarted: number
  /** All modules are there. */
  readonly imported: number
  /** The first call of model or tool. */
  readonly nextStep: number
  readonly first: 'model' | 'tool'
  /** 1: that call was recorded, and is made again. */
  readonly repeated: number
}

/** A session with an agent, as it was left: messages of a user and answers in turn, all of them in the conversation. */
export interface Chat {
  readonly messages: number
  /** Sum of the JSON of all messages, as the SDK writes them, and without its tracking ids. */
  readonly messageBytes: number
  readonly untrackedBytes: number
}

/** How a process starts. */
export interface SetUp {
  /** Where Node keeps what it has compiled (NODE_COMPILE_CACHE), filled by a process before it. */
  readonly compileCache?: string
}

/** A cold process goes on with a session. Milliseconds since it was started. */
export interface Continued {
  readonly nodeStarted: number
  readonly sdkImported: number
  readonly imported: number
  readonly opened: number
  /** The message is durable. */
  readonly sent: number
  readonly claimed: number
  readonly loaded: number
  /** The author's agent is made. */
  readonly made: number
  /** The model is asked for the answer. */
  readonly asked: number
  /** Messages that the model is shown, and how often it was asked. */
  readonly seen: number
  readonly calls: number
}

/** Who sends: the process that works on the run, or another one. */
export type SignalSender = 'same process' | 'another process'
/** A person's answer to a question is a signal that counts once. */
export type SignalKind = 'signal' | 'approval'

/** Runs that wait, in processes that are kept. */
export interface Wakes {
  /** Milliseconds from each of so many signals to the step behind it; null: it woke nobody. The run is suspended in between. */
  wake(count: number): Promise<readonly (number | null)[]>
  end(): void
}

/** Of a cold worker that has them. */
export interface SleepersWoken {
  /** Resident memory: opened, idle as a worker, and after the last one has been woken. */
  readonly openedMiB: number
  readonly idleMiB: number
  readonly wokenMiB: number
  /** Share of one processor. */
  readonly idleCpu: number
  /** From each of the signals to the step behind it. */
  readonly wakeMs: readonly number[]
}

export interface ManyLooked {
  /** `ms`: of one look after another, the first of them the first of its process. */
  readonly lists: readonly { readonly filter: string; readonly ms: readonly number[]; readonly found: number }[]
  readonly startMs: readonly number[]
}

/** Programs of bench/peers, with packages of their own. */
export interface Peer {
  /** In bench/peers, with a package.json. */
  readonly folder: string
  /** Serves a session (serve-steps.ts). */
  readonly program: string
  /** Sends what a run waits for (serve-wakes.ts). */
  readonly wakes?: string
}

export interface Contender {
  readonly name: string
  readonly title: string
  readonly version: string
  /** How a durability is set there, and what it comes down to; undefined: it cannot be had there. */
  durability(durability: Durability): string | undefined
  /** Opens a session on an empty folder, told the addresses of its server. */
  readonly steps?: (folder: string, shape: StepShape, addresses: readonly string[]) => Promise<StepSession>
  /** In place of `steps`. */
  readonly peer?: Peer
  /** What it keeps its runs in. */
  readonly server?: ServerName
  /** How many steps a folder holds, read without the contender's code. */
  readonly countSteps?: (folder: string) => number
  /** What the contender keeps in a folder, once nothing is open. */
  readonly databaseFile?: (folder: string) => string
  readonly recovery?: {
    /** Leaves a run whose process was killed (SIGKILL) in the step after so many. */
    prepare(folder: string, steps: number): Promise<void>
    /** A cold process takes it up and is killed after one more step. May be called again and again. */
    take(folder: string, steps: number): Promise<Recovery>
  }
  readonly agentRecovery?: {
    /** Leaves an agent whose process was killed (SIGKILL) in the tool of that cycle. */
    prepare(folder: string, cycles: number): Promise<void>
    /** A cold process takes it up. May be called again and again. */
    take(folder: string, cycles: number, setUp?: SetUp): Promise<AgentRecovery>
  }
  /** Sessions with an agent: messages and answers of 200 bytes. */
  readonly chat?: {
    /** Brings a session to so many messages, and closes it. */
    make(folder: string, messages: number): Promise<Chat>
    /** A cold process sends one message more. */
    take(folder: string, messages: number, setUp?: SetUp): Promise<Continued>
    /** What the SDK by itself takes to make the agent, and from an invocation with as many messages to the model, in a cold process: milliseconds. */
    plain(messages: number, setUp?: SetUp): Promise<number>
  }
  /** A run that waits for signals, on an empty folder. */
  readonly signals?: (folder: string, sender: SignalSender, kind: SignalKind) => Promise<Wakes>
  /** Suspended runs that wait for a signal. */
  readonly sleepers?: {
    /** Starts so many, and brings each to its wait. */
    make(folder: string, count: number): Promise<void>
    /** `round`: 0, 1, …: each wakes others. */
    wake(folder: string, count: number, woken: number, round: number): Promise<SleepersWoken>
    /** Bytes of the file and of the journals in it, and how many runs are suspended. */
    stored(folder: string): { readonly file: number; readonly journal: number; readonly suspended: number }
  }
  /** A table of `count` runs: `made` by the engine, the others their copies. */
  readonly many?: {
    make(folder: string, made: number, count: number): Promise<void>
    /** By a cold process. What it starts has ended when this resolves. */
    look(folder: string): Promise<ManyLooked>
  }
}
