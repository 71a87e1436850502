import type { StepContext } from '@selvage/core'
import type { EffectsLedger, LedgerLine } from './effects-ledger.ts'
import type { KillSwitch } from './kill-switch.ts'

/** The outside of a scenario's programs in one process: where their effects happen. */
export class Outside {
  private readonly ledger: EffectsLedger
  private readonly killSwitch: KillSwitch

  constructor(ledger: EffectsLedger, killSwitch: KillSwitch) {
    this.ledger = ledger
    this.killSwitch = killSwitch
  }

  /** The one effect of a step: to be called once in its body. */
  act({ runId, key, name, effect, attempt, idempotencyKey }: StepContext): void {
    this.killSwitch.pass('effect.before')
    this.ledger.record({ runId, key, name, effect, attempt, idempotencyKey, pid: process.pid })
    this.killSwitch.pass('effect.after')
  }

  /** What the target system knows. */
  find(matches: (line: LedgerLine) => boolean): LedgerLine | undefined {
    return this.ledger.read().find(matches)
  }
}
