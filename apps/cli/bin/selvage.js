#!/usr/bin/env node
// Committed, because npm links only commands that exist at install time, which is before the build. Old Nodes read this
// file, too, and must be told so before what they cannot load.
const LEAST = '22.13'

const [major, minor] = process.versions.node.split('.').map(Number)
const [leastMajor, leastMinor] = LEAST.split('.').map(Number)

if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) {
  await import('../dist/main.js')
} else {
  const message = `Selvage needs Node ${LEAST} or newer; this is Node ${process.versions.node}.`
  const json = JSON.stringify({ error: { code: 'UNSUPPORTED', message, details: {} } })
  process.stderr.write(process.argv.includes('--json') ? `${json}\n` : `selvage: ${message}\n`)
  process.exitCode = 2
}
