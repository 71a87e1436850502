/**
 * One durable execution, as the service keeps it: its operations, their history, and whether it is to be invoked. The rules
 * are those of the public API (CheckpointDurableExecution); what breaks a limit is refused, as the service does.
 *
 *   RUNNING ──(invocation ends)──▶ SUCCEEDED | FAILED      ──stop──▶ STOPPED
 *      └─ PENDING: waits for a timer, a retry or a callback, and is invoked again
 */
import { randomUUID } from 'node:crypto'

export interface LambdaLimits {
  readonly payloadBytes: number
  readonly operations: number
}

/** As the service documents them. */
export const LAMBDA_LIMITS: LambdaLimits = { payloadBytes: 256 * 1024, operations: 30_000 }

type Data = { [name: string]: unknown }

/** As it travels: timestamps in epoch milliseconds until they are sent. */
export interface WireOperation {
  readonly Id: string
  ParentId?: string
  Name?: string
  Type: string
  SubType?: string
  Status: string
  StartTimestamp: number
  EndTimestamp?: number
  ExecutionDetails?: { InputPayload: string }
  ContextDetails?: { Result?: string; Error?: Data; ReplayChildren?: boolean }
  StepDetails?: {
    Attempt: number
    NextAttemptTimestamp?: number | undefined
    Result?: string | undefined
    Error?: Data
  }
  WaitDetails?: { ScheduledEndTimestamp: number }
  CallbackDetails?: { CallbackId: string; Result?: string; Error?: Data }
}

export interface WireUpdate {
  readonly Id?: string
  readonly ParentId?: string
  readonly Name?: string
  readonly Type?: string
  readonly SubType?: string
  readonly Action?: string
  readonly Payload?: string
  readonly Error?: Data
  readonly ContextOptions?: { readonly ReplayChildren?: boolean }
  readonly StepOptions?: { readonly NextAttemptDelaySeconds?: number }
  readonly WaitOptions?: { readonly WaitSeconds?: number }
  readonly CallbackOptions?: { readonly TimeoutSeconds?: number }
}

export interface HistoryEvent {
  readonly EventId: number
  readonly EventType: string
  readonly EventTimestamp: number
  readonly Id?: string
  readonly Name?: string
  readonly SubType?: string
  readonly ParentId?: string
  readonly [details: string]: unknown
}

/** Refused as InvalidParameterValueException. */
export class Refused extends Error {}

export interface Place {
  readonly limits: LambdaLimits
  /** How long a second of the service lasts. */
  readonly secondMs: number
  /** Something has happened that the code of the execution waits for. */
  wake(execution: DurableExecution): void
  callback(id: string, execution: DurableExecution): void
}

const OVER: ReadonlySet<string> = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'STOPPED', 'CANCELLED'])

export class DurableExecution {
  readonly arn: string
  readonly name: string
  readonly functionName: string
  readonly input: string
  readonly startedAt: number = Date.now()
  readonly operations: Map<string, WireOperation> = new Map()
  readonly events: HistoryEvent[] = []
  status = 'RUNNING'
  result: string | undefined
  error: Data | undefined
  endedAt: number | undefined
  /** The only token that a checkpoint may bring. */
  token = ''
  /** Changed since the code was last told. */
  private readonly changed = new Set<string>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly place: Place

  constructor(place: Place, functionName: string, name: string, input: string) {
    this.place = place
    this.functionName = functionName
    this.name = name
    this.input = input
    this.arn = `arn:aws:lambda:us-east-1:123456789012:function:${functionName}:$LATEST/durable-execution/${name}/${randomUUID()}`
    const id = `execution-${randomUUID()}`
    const details = { InputPayload: input }
    this.operations.set(id, {
      Id: id,
      Name: name,
      Type: 'EXECUTION',
      Status: 'STARTED',
      StartTimestamp: this.startedAt,
      ExecutionDetails: details,
    })
    this.tell('ExecutionStarted', { Id: id, Name: name }, 'ExecutionStartedDetails', { Input: { Payload: input } })
  }

  get isRunning(): boolean {
    return this.status === 'RUNNING'
  }

  /** Whether its code would be told something new. */
  get hasNews(): boolean {
    return this.changed.size > 0
  }

  /** Whether something will happen by itself, or may be sent. */
  get isAwaiting(): boolean {
    return [...this.operations.values()].some(({ Type, Status }) => Type !== 'EXECUTION' && !OVER.has(Status))
  }

  /** All that code needs to replay: what is below a context that is over is not, unless it asked for it. */
  state(): readonly WireOperation[] {
    const hidden = new Set<string>()
    const shown: WireOperation[] = []
    for (const operation of this.operations.values()) {
      const { Id, ParentId, Status, ContextDetails } = operation
      const isHidden = ParentId !== undefined && hidden.has(ParentId)
      if (isHidden || (ContextDetails !== undefined && OVER.has(Status) && ContextDetails.ReplayChildren !== true)) {
        hidden.add(Id)
      }
      if (!isHidden) shown.push(operation)
    }
    return shown
  }

  /** What changed since the last time, each once. */
  news(): readonly WireOperation[] {
    const ids = [...this.changed]
    this.changed.clear()
    return ids.flatMap((id) => this.operations.get(id) ?? [])
  }

  /** All of it or nothing. */
  checkpoint(updates: readonly WireUpdate[]): void {
    if (!this.isRunning) throw new Refused(`The execution is ${this.status}.`)
    const added = new Set(updates.flatMap(({ Id = '' }) => (this.operations.has(Id) ? [] : [Id]))).size
    if (this.operations.size + added > this.place.limits.operations) {
      throw new Refused(`An execution has at most ${this.place.limits.operations} operations.`)
    }
    for (const update of updates) this.check(update)
    for (const update of updates) this.apply(update)
  }

  end(status: string, { result, error }: { readonly result?: string; readonly error?: Data } = {}): void {
    if (!this.isRunning) return
    this.status = status
    this.endedAt = Date.now()
    this.result ??= result
    this.error = error
    for (const timer of this.timers) clearTimeout(timer)
    const kind = `Execution${status === 'TIMED_OUT' ? 'TimedOut' : status.charAt(0) + status.slice(1).toLowerCase()}`
    const details = status === 'SUCCEEDED' ? { Result: { Payload: this.result } } : { Error: { Payload: error } }
    this.tell(kind, { Name: this.name }, `${kind}Details`, details)
  }

  /** Completes a callback; false if that is too late. */
  complete(callbackId: string, how: { readonly result?: string; readonly error?: Data }): boolean {
    const operation = [...this.operations.values()].find(
      ({ CallbackDetails }) => CallbackDetails?.CallbackId === callbackId,
    )
    if (!this.isRunning || operation?.CallbackDetails === undefined || OVER.has(operation.Status)) return false
    const { result, error } = how
    if (result !== undefined && Buffer.byteLength(result) > this.place.limits.payloadBytes) {
      throw new Refused('The result of a callback is too large.')
    }
    this.finish(operation, error === undefined ? 'SUCCEEDED' : 'FAILED')
    if (error !== undefined) operation.CallbackDetails.Error = error
    else if (result !== undefined) operation.CallbackDetails.Result = result
    if (error === undefined) {
      this.tell('CallbackSucceeded', operation, 'CallbackSucceededDetails', { Result: { Payload: result ?? '' } })
    } else this.tell('CallbackFailed', operation, 'CallbackFailedDetails', { Error: { Payload: error } })
    this.place.wake(this)
    return true
  }

  // ── updates ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private check(update: WireUpdate): void {
    const { Id = '', Name, Type, Action, Payload = '', WaitOptions, StepOptions } = update
    const known = this.operations.get(Id)
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(Id)) throw new Refused(`'${Id}' is no id of an operation.`)
    if (Name !== undefined && !/^[\x20-\x7e]{1,256}$/.test(Name)) throw new Refused(`'${Name}' is no name.`)
    if (Buffer.byteLength(Payload) > this.place.limits.payloadBytes && Type !== 'EXECUTION') {
      throw new Refused(`The payload of ${Name ?? Id} has ${Buffer.byteLength(Payload)} bytes.`)
    }
    if (known !== undefined && known.Type !== Type) throw new Refused(`${Id} is a ${known.Type}, not a ${Type}.`)
    if (known !== undefined && OVER.has(known.Status)) throw new Refused(`${Name ?? Id} is over already.`)
    const seconds = Type === 'WAIT' ? WaitOptions?.WaitSeconds : StepOptions?.NextAttemptDelaySeconds
    const isTimed = (Type === 'WAIT' && Action === 'START') || Action === 'RETRY'
    if (isTimed && !(Number.isInteger(seconds) && Number(seconds) >= 1 && Number(seconds) <= 31_622_400)) {
      throw new Refused(`${seconds} is no number of seconds.`)
    }
    if (!ACTIONS[Type ?? '']?.includes(Action ?? '')) throw new Refused(`A ${Type} cannot ${Action}.`)
  }

  private apply(update: WireUpdate): void {
    const { Id = '', Type = '', Action } = update
    if (Type === 'EXECUTION') {
      if (update.Payload !== undefined) this.result = update.Payload
      return
    }
    const operation = this.operations.get(Id) ?? this.add(update)
    this.changed.add(Id)
    if (Action === 'START') this.begin(operation, update)
    else if (Action === 'RETRY') this.retry(operation, update)
    else this.settle(operation, update, Action === 'SUCCEED')
  }

  private add({ Id = '', Type = '', ParentId, Name, SubType }: WireUpdate): WireOperation {
    const operation: WireOperation = {
      Id,
      Type,
      Status: 'STARTED',
      StartTimestamp: Date.now(),
      ...(ParentId !== undefined && { ParentId }),
      ...(Name !== undefined && { Name }),
      ...(SubType !== undefined && { SubType }),
    }
    this.operations.set(Id, operation)
    return operation
  }

  private begin(operation: WireOperation, { WaitOptions, CallbackOptions }: WireUpdate): void {
    operation.Status = 'STARTED'
    const { Type } = operation
    if (Type === 'STEP') {
      operation.StepDetails ??= { Attempt: 0 }
      operation.StepDetails.NextAttemptTimestamp = undefined
      this.tell('StepStarted', operation, 'StepStartedDetails', {})
    } else if (Type === 'CONTEXT') this.tell('ContextStarted', operation, 'ContextStartedDetails', {})
    else if (Type === 'WAIT') {
      const ms = (WaitOptions?.WaitSeconds ?? 1) * this.place.secondMs
      operation.WaitDetails = { ScheduledEndTimestamp: Date.now() + ms }
      this.tell('WaitStarted', operation, 'WaitStartedDetails', {
        Duration: WaitOptions?.WaitSeconds,
        ScheduledEndTimestamp: operation.WaitDetails.ScheduledEndTimestamp / 1_000,
      })
      this.after(ms, () => {
        this.finish(operation, 'SUCCEEDED')
        this.tell('WaitSucceeded', operation, 'WaitSucceededDetails', { Duration: WaitOptions?.WaitSeconds })
      })
    } else {
      const id = Buffer.from(JSON.stringify([this.arn, operation.Id])).toString('base64url')
      operation.CallbackDetails = { CallbackId: id }
      this.place.callback(id, this)
      this.tell('CallbackStarted', operation, 'CallbackStartedDetails', { CallbackId: id })
      const { TimeoutSeconds } = CallbackOptions ?? {}
      if (TimeoutSeconds !== undefined) {
        this.after(TimeoutSeconds * this.place.secondMs, () => {
          if (OVER.has(operation.Status)) return
          this.finish(operation, 'TIMED_OUT')
          this.tell('CallbackTimedOut', operation, 'CallbackTimedOutDetails', { Error: {} })
        })
      }
    }
  }

  private retry(operation: WireOperation, { StepOptions, Payload, Error: error }: WireUpdate): void {
    const seconds = StepOptions?.NextAttemptDelaySeconds ?? 1
    const Attempt = (operation.StepDetails?.Attempt ?? 0) + 1
    operation.Status = 'PENDING'
    operation.StepDetails = {
      Attempt,
      NextAttemptTimestamp: Date.now() + seconds * this.place.secondMs,
      ...(Payload !== undefined && { Result: Payload }),
    }
    if (error !== undefined) {
      const RetryDetails = { CurrentAttempt: Attempt, NextAttemptDelaySeconds: seconds }
      this.tell('StepFailed', operation, 'StepFailedDetails', { Error: { Payload: error }, RetryDetails })
    }
    this.after(seconds * this.place.secondMs, () => {
      operation.Status = 'READY'
      this.changed.add(operation.Id)
    })
  }

  private settle(operation: WireOperation, { Payload, Error: error, ContextOptions }: WireUpdate, isOk: boolean): void {
    this.finish(operation, isOk ? 'SUCCEEDED' : 'FAILED')
    const result = { ...(Payload !== undefined && { Result: Payload }), ...(error !== undefined && { Error: error }) }
    if (operation.Type === 'STEP') {
      operation.StepDetails = { Attempt: (operation.StepDetails?.Attempt ?? 0) + 1, ...result }
    } else operation.ContextDetails = { ...result, ...ContextOptions }
    const kind = operation.Type === 'STEP' ? 'Step' : 'Context'
    const details = isOk ? { Result: { Payload } } : { Error: { Payload: error } }
    const RetryDetails = { CurrentAttempt: operation.StepDetails?.Attempt ?? 1 }
    const type = `${kind}${isOk ? 'Succeeded' : 'Failed'}`
    this.tell(type, operation, `${type}Details`, kind === 'Step' ? { ...details, RetryDetails } : details)
  }

  private finish(operation: WireOperation, status: string): void {
    operation.Status = status
    operation.EndTimestamp = Date.now()
    this.changed.add(operation.Id)
  }

  private after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      act()
      this.place.wake(this)
    }, ms)
    this.timers.add(timer.unref())
  }

  private tell(type: string, about: Partial<WireOperation>, place: string, details: Data): void {
    const { Id, Name, SubType, ParentId } = about
    this.events.push({
      EventId: this.events.length + 1,
      EventType: type,
      EventTimestamp: Date.now(),
      ...(Id !== undefined && { Id }),
      ...(Name !== undefined && { Name }),
      ...(SubType !== undefined && { SubType }),
      ...(ParentId !== undefined && { ParentId }),
      [place]: details,
    })
  }
}

const ACTIONS: { readonly [type: string]: readonly string[] } = {
  EXECUTION: ['SUCCEED', 'FAIL'],
  STEP: ['START', 'SUCCEED', 'FAIL', 'RETRY'],
  WAIT: ['START', 'CANCEL'],
  CALLBACK: ['START'],
  CONTEXT: ['START', 'SUCCEED', 'FAIL'],
}
