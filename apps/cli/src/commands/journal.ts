import type { Entry } from '@selvage/core'
import type { Run } from 'selvage/core'
import type { Session } from '../session.ts'
import { cut } from '../table.ts'
import { brief, moment } from '../words.ts'

const PAGE = 500

/** `selvage journal`: every entry, one a line; with `--json` as it was recorded. */
export async function journal({ output }: Session, run: Run): Promise<void> {
  for (let from = 0; ; ) {
    const entries = await run.journal({ from, limit: PAGE })
    for (const entry of entries) {
      if (output.json) output.document(entry)
      else output.line(cut(lineOf(entry), output.width))
    }
    from += entries.length
    if (entries.length < PAGE) return
  }
}

function lineOf(entry: Entry): string {
  const at = moment(entry.at, Date.now())
  return `${String(entry.seq).padStart(5)}  ${at}  ${entry.type.padEnd(6)}  ${brief(told(entry), 400)}`
}

function told(entry: Entry): string {
  switch (entry.type) {
    case 'start':
      return `${entry.start.program}${entry.start.version === undefined ? '' : ` v${entry.start.version}`} ${json(entry.start.input)}`
    case 'intent':
      return `${entry.key} attempt ${entry.attempt} on ${entry.host} ${json(entry.op.input)}`
    case 'retry':
      return `${entry.key} attempt ${entry.attempt} failed: ${entry.error.message}`
    case 'step':
      return `${entry.key} attempt ${entry.attempt} ${json(entry.outcome)}`
    case 'signal':
      return `${entry.signal.name}${entry.signal.by === undefined ? '' : ` by ${entry.signal.by}`} ${json(entry.signal.payload)}`
    case 'open':
      return `${entry.key} asks ${entry.question.id} (${entry.question.kind} ${entry.question.name})`
    case 'wait':
      return `${entry.key} ${entry.signalId === undefined ? 'over by time' : `answered by ${entry.signalId}`}`
    case 'state':
      return `${entry.key} ${json(entry.patch)}`
    case 'past':
      return `${entry.key} of the original ${json(entry.outcome)}`
    case 'undo':
      return `will end, once it is undone, with ${json(entry.outcome)}`
    case 'reopen':
      return entry.undo === true ? 'goes on undoing' : `retried, made again: ${entry.voided.join(', ')}`
    case 'end':
      return json(entry.outcome)
  }
}

function json(value: unknown): string {
  return JSON.stringify(value) ?? ''
}
