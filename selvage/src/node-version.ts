/**
 * The first import of this package: in a Node that is too old nothing behind it would say so. Modules are evaluated in
 * the order of their imports, so whatever comes later may use what Node 22.13 brought; what is linked may not.
 */
import { UsageError } from '@selvage/core'

const LEAST = '22.13'

/** UNSUPPORTED if that Node is older than the one this package is made for. */
export function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = LEAST.split('.').map(Number)
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return
  throw new UsageError('UNSUPPORTED', `Selvage needs Node ${LEAST} or newer; this is Node ${version}.`, {
    hint: 'Update Node, or start this program with a newer one.',
    details: { node: version, least: LEAST },
  })
}

requireNode(process.versions.node)
