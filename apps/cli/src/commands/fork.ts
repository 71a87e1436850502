import type { ForkOptions, Run } from 'selvage/core'
import type { Session } from '../session.ts'
import { parseJson } from './answer.ts'

export interface ForkArguments {
  readonly at?: string
  readonly effects?: string
  readonly input?: string
  readonly runId?: string
  readonly programVersion?: string
}

/** `selvage fork`: a new run from the journal of another one. */
export async function fork({ output, again }: Session, run: Run, options: ForkArguments): Promise<void> {
  const { at, effects, input, runId, programVersion: version } = options
  const made = await run.fork({
    ...(at !== undefined && { at: /^\d+$/.test(at) ? Number(at) : at }),
    ...(effects !== undefined && { effects: effectsOf(effects) }),
    ...(input !== undefined && { input: parseJson(input, '--input') }),
    ...(runId !== undefined && { runId }),
    ...(version !== undefined && { version }),
  })
  if (output.json) output.document({ runId: made.id, forkedFrom: run.id })
  else
    output.line(
      `Run ${made.id} is forked from ${run.id}, and goes on as soon as a worker has it: selvage show ${made.id}${again}`,
    )
}

function effectsOf(text: string): NonNullable<ForkOptions['effects']> {
  return (text.startsWith('{') ? parseJson(text, '--effects') : text) as NonNullable<ForkOptions['effects']>
}
