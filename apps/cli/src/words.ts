import type { RunStatus } from '@selvage/core'
import type { Output } from './output.ts'

/** A length of time, in the two largest units that say something. */
export function took(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)}s`
  const seconds = Math.round(ms / 1_000)
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ]
  const first = units.findIndex(([, size]) => seconds >= size)
  const parts: string[] = []
  let rest = seconds
  for (const [unit, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0 || parts.length === 0) parts.push(`${count}${unit}`)
  }
  return parts.join(' ')
}

/** Local time of day, with the date where it is another day. */
export function moment(at: number, now: number): string {
  const date = new Date(at)
  const pad = (part: number) => String(part).padStart(2, '0')
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  if (new Date(now).toDateString() === date.toDateString()) return time
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`
}

export function ago(at: number, now: number): string {
  return at <= now ? `${took(now - at)} ago` : `in ${took(at - now)}`
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let size = count / 1_024
  let unit = 0
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024
    unit += 1
  }
  return `${size.toFixed(1)} ${units[unit]}`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

const COLOUR = {
  pending: 'gray',
  running: 'cyan',
  suspended: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'magenta',
} as const satisfies { readonly [status in RunStatus]: string }

export function statusWord(output: Output, status: RunStatus): string {
  return output.style(COLOUR[status], status)
}

/** A value on one line, cut to `length` characters. Control characters are shown, not sent to the terminal. */
export function brief(value: unknown, length: number): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
  const line = text.replace(/\s+/g, ' ').replace(/\p{Cc}/gu, '�')
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}
