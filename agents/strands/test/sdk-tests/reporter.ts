/** Vitest's results for run-tests.ts, with what no test has caught, which its JSON report leaves out. */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { SerializedError } from 'vitest'
import type { Reporter, TestModule } from 'vitest/node'

export interface Result {
  readonly status: string
  readonly message: string
}

export interface Report {
  /** By file and full name; a file that could not be loaded stands for its tests. */
  readonly tests: readonly (readonly [test: string, result: Result])[]
  readonly unhandled: readonly string[]
}

export default class implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const { SELVAGE_SDK_LAID: root = '', SELVAGE_SDK_REPORT: file = '' } = process.env
    const report: Report = {
      tests: modules.flatMap((module) => resultsOf(module, relative(root, module.moduleId))),
      unhandled: unhandled.map(told),
    }
    writeFileSync(file, JSON.stringify(report))
  }
}

function resultsOf(module: TestModule, file: string): [string, Result][] {
  const [failure] = module.errors()
  const tests = [...module.children.allTests()]
  if (tests.length === 0) return [[file, { status: 'failed', message: failure ? told(failure) : 'It has no tests.' }]]
  const times = new Map<string, number>()
  return tests.map((test) => {
    const time = (times.get(test.fullName) ?? 0) + 1
    times.set(test.fullName, time)
    const { state, errors = [] } = test.result()
    const name = `${file} > ${test.fullName}${time === 1 ? '' : ` #${time}`}`
    return [name, { status: state, message: errors[0] === undefined ? '' : told(errors[0]) }]
  })
}

function told({ name, message, stack }: SerializedError): string {
  return stack?.includes(message) ? stack : `${name ?? 'Error'}: ${message}\n${stack ?? ''}`.trimEnd()
}
