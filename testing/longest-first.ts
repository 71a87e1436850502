/**
 * The order of the test files: the suites that take minutes begin first. Else one of them is left for the end, when
 * there is nothing to run beside it.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** By the end of their paths, the longest first. */
const LONGEST: readonly string[] = [
  'engines/restate/src/conformance.test.ts',
  'engines/embedded/src/conformance.test.ts',
  'engines/embedded/src/conformance-postgres.test.ts',
  'engines/lambda/src/conformance.test.ts',
  'engines/dbos/src/conformance.test.ts',
  'selvage/src/team.test.ts',
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((path) => moduleId.endsWith(path))
      return at < 0 ? LONGEST.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
