/** Lengths of time as people write them. Everything behind the API counts in milliseconds. */
import { UsageError } from '../errors.ts'

/** Milliseconds, a text such as '2d', '1h30m', '500ms', '1.5h', or parts that are added up. */
export type Duration =
  | number
  | string
  | {
      readonly days?: number
      readonly hours?: number
      readonly minutes?: number
      readonly seconds?: number
      readonly milliseconds?: number
    }

const UNIT_MS = { days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1_000, milliseconds: 1 } as const
type Unit = keyof typeof UNIT_MS

const TEXT =
  /^(?:(?<days>N)d)?\s*(?:(?<hours>N)h)?\s*(?:(?<minutes>N)m(?!s))?\s*(?:(?<seconds>N)s)?\s*(?:(?<milliseconds>N)ms)?$/
    .source
const PATTERN = new RegExp(TEXT.replaceAll('N', String.raw`\d+(?:\.\d+)?`))

/**
 * Whole milliseconds, from 0 up to 2^53 − 1. `what` names the argument in the error.
 *
 * Throws UsageError BAD_INPUT for anything that is not a duration: negative, not finite, an unknown unit, units out of
 * order or given twice.
 */
export function toMs(duration: Duration, what: string): number {
  const ms = sum(duration)
  if (ms >= 0 && ms <= Number.MAX_SAFE_INTEGER) return Math.round(ms)
  throw new UsageError('BAD_INPUT', `${what} is not a duration: ${show(duration)}.`, {
    hint: "Write for example '2d', '1h30m', '500ms', { hours: 2 } or a number of milliseconds.",
    details: { what },
  })
}

/** NaN where `duration` is none. */
function sum(duration: unknown): number {
  if (typeof duration === 'number') return duration
  if (typeof duration === 'string') return sumParts(PATTERN.exec(duration.trim())?.groups ?? {})
  if (typeof duration !== 'object' || duration === null) return Number.NaN
  return Object.values(duration).some((count) => typeof count === 'string') ? Number.NaN : sumParts(duration)
}

function sumParts(parts: object): number {
  let ms = Number.NaN
  for (const [unit, count] of Object.entries(parts)) {
    if (count === undefined) continue
    if (!Object.hasOwn(UNIT_MS, unit) || !(Number(count) >= 0)) return Number.NaN
    ms = (Number.isNaN(ms) ? 0 : ms) + Number(count) * UNIT_MS[unit as Unit]
  }
  return ms
}

function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return typeof value
  }
}
