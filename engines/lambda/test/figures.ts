/** This engine as `npm run figures` measures it: on the loopback service, which is part of the measuring process. */
import type { OpenedEngine } from '@selvage/testing/conformance'
import { LambdaTestService } from '@selvage/testing/servers'
import { openOn } from './under-test.ts'

export const title = 'Lambda'
export const note =
  'On the loopback service, which stands where AWS would: our side of the time, and the bytes of the operations of an execution. A worker is an execution environment that asks the service for invocations.'
export const namesSteps = true

export async function begin() {
  const service = await LambdaTestService.open()
  Object.assign(process.env, service.env)
  return {
    close: () => service.close(),
    async bytesOf(runId: string): Promise<number> {
      const all = service.executions.filter(({ name }) => name.startsWith(`${runId}_`))
      return all.reduce((sum, { operations }) => sum + JSON.stringify([...operations.values()]).length, 0)
    },
  }
}

export async function open(folder: string, options: { readonly namesSteps: boolean }): Promise<OpenedEngine> {
  return openOn(folder, options)
}
