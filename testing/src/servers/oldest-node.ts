/** The oldest Node that users may have: tests run on a newer one, and what that has learned since goes unnoticed there. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const INSTALLED = new URL(
  `../../servers/node_modules/node-${process.platform}-${process.arch}/bin/node`,
  import.meta.url,
)

/** Where its binary is: `SELVAGE_TEST_OLDEST_NODE`, else what `testing/servers` has installed. Undefined: nowhere. */
export function oldestNode(): string | undefined {
  const path = process.env.SELVAGE_TEST_OLDEST_NODE ?? fileURLToPath(INSTALLED)
  return existsSync(path) ? path : undefined
}

/** Why there is none to test with; undefined: there is one. */
export function noOldestNode(): string | undefined {
  if (oldestNode() !== undefined) return undefined
  return 'there is no Node 22.13: npm --prefix testing/servers ci, or SELVAGE_TEST_OLDEST_NODE=<path of the binary>'
}
