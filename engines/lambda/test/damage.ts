import type { LambdaTestService } from '@selvage/testing/servers'
import { Names } from '../src/names.ts'
import { functionOf } from './under-test.ts'

const STEP = '"type":"step"'

/**
 * Cuts short what the loopback service has recorded of the first advance that brought a step: in the state that invocations
 * are given, and in the history. Resolves with what puts it back.
 */
export function damageOn(service: LambdaTestService): (folder: string, runId: string) => Promise<() => Promise<void>> {
  return async (folder, runId) => {
    const named = new Names(functionOf(folder)).generation(runId, 0)
    const execution = service.executions.find(({ name }) => name === named)
    const step = [...(execution?.operations.values() ?? [])].find(({ StepDetails }) =>
      StepDetails?.Result?.includes(STEP),
    )?.StepDetails
    const event = execution?.events.map(resultIn).find((result) => result?.Payload.includes(STEP))
    const whole = step?.Result
    if (step === undefined || whole === undefined || event?.Payload !== whole) {
      throw new Error(`run ${runId} has no step to damage`)
    }
    step.Result = whole.slice(0, whole.length / 2)
    event.Payload = step.Result
    return async () => {
      step.Result = whole
      event.Payload = whole
    }
  }
}

interface Result {
  Payload: string
}

function resultIn({ StepSucceededDetails: details }: { readonly [details: string]: unknown }): Result | undefined {
  return (details as { readonly Result: Result } | undefined)?.Result
}
