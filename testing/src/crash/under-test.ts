import type { Engine, Host, ProbeName, Program } from '@selvage/core'
import type { Section } from '../conformance/section.ts'

export interface PlaceOptions {
  /** How long a worker that stands still keeps its runs, in milliseconds. An engine that has no such thing ignores it. */
  readonly leaseMs?: number
  /** Advances after which the history of a run is renewed. An engine that has no such thing ignores it. */
  readonly rotateAfter?: number
}

/** An engine that is open, and the hosts that go with it. */
export interface OpenedEngine {
  readonly engine: Engine
  host(programs: readonly Program[]): Host
  /** In how many pieces the engine's own history of a run is; needed where its manifest says that it rotates. */
  generations?(runId: string): Promise<number>
}

/** What the module of an engine under test exports. */
export interface EngineModule {
  /** Opens the engine on what is kept under `folder`, which exists. `engine.close()` closes all of it. */
  open(folder: string, options?: PlaceOptions): Promise<OpenedEngine>
}

/** Called while nobody has the folder open. What it resolves with mends the record. */
export type Damage = (folder: string, runId: string) => Promise<() => Promise<void>>

/** An engine as the conformance sections are given it. */
export interface EngineUnderTest extends EngineModule {
  /** What it is called where findings are told. Default: the name in its manifest. */
  readonly name?: string
  /** URL of a module whose exports are an EngineModule: child processes import it. */
  readonly module: string
  /** Probes that this engine never comes to, each with the reason. */
  readonly neverHit?: { readonly [name in ProbeName]?: string }
  /** Fewer of them, where starting a process or reaching a server takes long: kills at each place (10), random seeds (25). */
  readonly plays?: { readonly kills?: number; readonly seeds?: number }
  /** How the first step in the record of a run becomes unreadable; or why nobody outside of the engine could do that. */
  readonly damage?: Damage | string
  /** Sections beside those of the kit: `AGENTS` of @selvage/testing-agents, or of your own. */
  readonly more?: readonly Section[]
}
