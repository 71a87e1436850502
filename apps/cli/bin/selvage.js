#!/usr/bin/env node
// Committed, because npm links only commands that exist at install time, which is before the build. Old Nodes read this
// file, too, and must be told so before what they cannot load.
import module from 'node:module'

const LEAST = '22.13'

const [major, minor] = process.versions.node.split('.').map(Number)
const [leastMajor, leastMinor] = LEAST.split('.').map(Number)

if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) {
  // A worker that takes over loads as the one before it has compiled it: half of what an import takes is compiling.
  module.enableCompileCache?.()
  await import('../dist/main.js')
} else {
  const message = `Selvage needs Node ${LEAST} or newer; this is Node ${process.versions.node}.`
  const json = JSON.stringify({ error: { code: 'UNSUPPORTED', message, details: {} } })
  process.stderr.write(process.argv.includes('--json') ? `${json}\n` : `selvage: ${message}\n`)
  process.exitCode = 2
}
