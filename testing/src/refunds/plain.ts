/** The workflow's function without a gate: a process that began it begins it anew. */
import { type Returned, type Steps, takeBack } from './returns.ts'
import { withoutSelvage } from './without-selvage.ts'

const steps: Steps = { step: (_, body) => body({ abortSignal: new AbortController().signal }) }

await withoutSelvage((input, outside) => takeBack(steps, outside, input as unknown as Returned))
