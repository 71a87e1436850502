import type { Json, StepContext } from '@selvage/core'
import { type BankClient, bankClient } from '../bank/client.ts'
import type { Asked, Deed } from '../bank/ledger.ts'
import type { Receipt } from '../bank/server.ts'
import type { EffectsLedger, LedgerLine } from './effects-ledger.ts'
import type { KillSwitch } from './kill-switch.ts'

/** What a request needs of its step; who has no steps has no key. */
export type Asking = Pick<StepContext, 'abortSignal'> & Partial<Pick<StepContext, 'idempotencyKey'>>

export interface OutsideOptions {
  /** URL of a bank. */
  readonly bank?: string
  readonly tell?: (told: Json) => void
}

/** The outside of a scenario's programs in one process: where their effects happen. */
export class Outside {
  private readonly ledger: EffectsLedger
  private readonly killSwitch: KillSwitch
  private readonly options: OutsideOptions
  private client: BankClient | undefined

  constructor(ledger: EffectsLedger, killSwitch: KillSwitch, options: OutsideOptions = {}) {
    this.ledger = ledger
    this.killSwitch = killSwitch
    this.options = options
  }

  get bank(): BankClient {
    const { bank } = this.options
    if (bank === undefined) throw new Error('this site has no bank')
    this.client ??= bankClient(bank)
    return this.client
  }

  /** Asks the bank for a deed, as the one effect of a step. */
  async ask(deed: Deed, asked: Asked, at: Asking): Promise<Receipt> {
    this.killSwitch.pass('effect.before')
    const { idempotencyKey: key, abortSignal } = at
    const receipt = await this.bank.act(deed, asked, { abortSignal, ...(key !== undefined && { key }) })
    this.killSwitch.pass('effect.after')
    return receipt
  }

  /** Says how a program sees the world, outside of every journal: so that two lives can be compared. */
  tell(told: Json): void {
    this.options.tell?.(told)
  }

  /** The one effect of a step: to be called once in its body. */
  act({ runId, key, name, effect, attempt, idempotencyKey }: StepContext): void {
    this.killSwitch.pass('effect.before')
    this.ledger.append({ runId, key, name, effect, attempt, idempotencyKey, pid: process.pid })
    this.killSwitch.pass('effect.after')
  }

  /** What the target system knows. */
  find(matches: (line: LedgerLine) => boolean): LedgerLine | undefined {
    return this.ledger.read().find(matches)
  }
}
