/**
 * Executions by name. The service keeps the names of an account and region unique, also against executions that are over,
 * which is what makes a start idempotent and the first writer of a signal the only one. A name is 64 letters, digits,
 * dashes and underscores at most, so it carries a hash; what stands before it is for people.
 *
 *   <run>_<hash>_<generation>      a generation of a run: 0 by `start`, the next ones by rotation or `retry`
 *   <run>_<hash>_s<hash of id>     the claim of a signal's id
 *   <run>_<hash>_q<number>         a signal in its queue
 */
import { createHash } from 'node:crypto'
import { operationName } from './limits.ts'

const LABEL_CHARS = 24
const HASH_CHARS = 16
const FIRST: RegExp = /^[A-Za-z0-9-]*_[A-Za-z0-9_-]{16}_0$/

export class Names {
  private readonly functionName: string

  /** With or without ARN, version and alias: they are one application. */
  constructor(functionName: string) {
    this.functionName = unqualified(functionName).split(':').at(-1) ?? functionName
  }

  generation(runId: string, generation: number): string {
    return `${this.base(runId)}_${generation}`
  }

  signal(runId: string, id: string): string {
    return `${this.base(runId)}_s${hash(id)}`
  }

  queued(runId: string, number: number): string {
    return `${this.base(runId)}_q${number}`
  }

  /** Whether it is that of a run's generation 0. */
  static isFirst(name: string): boolean {
    return FIRST.test(name)
  }

  private base(runId: string): string {
    const label = runId.replace(/[^A-Za-z0-9-]+/g, '-').slice(0, LABEL_CHARS)
    return `${label}_${hash(this.functionName, runId)}`
  }
}

/** A run that is a part of somebody else's execution: see runInside. */
export interface Inside {
  /** Name of the execution. */
  readonly execution: string
  /** Of the child context in which it runs. */
  readonly key: string
}

export function insideId({ execution, key }: Inside): string {
  return `inside/${execution}/${key}`
}

export function insideOf(runId: string): Inside | undefined {
  const [, execution, key] = /^inside\/([A-Za-z0-9_-]+)\/(.+)$/.exec(runId) ?? []
  return execution === undefined || key === undefined ? undefined : { execution, key }
}

/** What callbacks of a run's inbox are called. */
export function inboxName(runId: string): string {
  const inside = insideOf(runId)
  return inside === undefined ? 'inbox' : operationName(`inbox ${inside.key}`)
}

/** A name or an ARN without its version or alias. */
export function unqualified(functionName: string): string {
  const parts = functionName.split(':')
  const isArn = parts[0] === 'arn'
  return parts.slice(0, isArn ? 7 : parts.includes('function') ? parts.indexOf('function') + 2 : 1).join(':')
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, HASH_CHARS)
}
