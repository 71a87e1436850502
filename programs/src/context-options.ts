/** What the methods of a context can be told, by name: see context.ts for what each means. */
import type { OptionNames } from '@selvage/core'
import type { ChildOptions } from './child.ts'
import type { MessageOptions, StepOptions, TransactionOptions, WaitOptions } from './context.ts'
import type { PollOptions } from './waits/poll.ts'

export const STEP: OptionNames<StepOptions<unknown>> = {
  key: true,
  effect: true,
  retry: true,
  timeout: true,
  heartbeatTimeout: true,
  input: true,
  reconcile: true,
  onUnknown: true,
  ask: true,
  compensate: true,
  compensateUnknown: true,
}

export const TRANSACTION: OptionNames<TransactionOptions> = { key: true, retry: true }
export const MESSAGE: OptionNames<MessageOptions> = { key: true }
export const WAIT: OptionNames<WaitOptions> = { timeout: true }
export const POLL: OptionNames<PollOptions> = { interval: true, timeout: true, retry: true, key: true }

export const CHILD: OptionNames<ChildOptions> = {
  key: true,
  onParentEnd: true,
  compensate: true,
  compensateUnknown: true,
}
