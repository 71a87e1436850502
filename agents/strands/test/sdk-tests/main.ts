/**
 * The SDK's own unit tests, with and without our gate on every Agent:
 *
 *   npm run -w @selvage/strands sdk-tests -- <checkout> [--sdk 1.16.0] [file …]
 *
 * `<checkout>` is a checkout of the SDK's repository at the tag of the version; nothing of it is kept. Its tests are laid
 * over the published package: the installed one, or `--sdk`, which is installed into a temporary folder.
 *
 * Exit codes: 0 no difference but those that differences.json explains · 1 others · 2 the tests cannot be run ·
 * 3 there is no checkout.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installSdk } from '../any-sdk/install.ts'
import { differences, type Explained, fileOf, passed } from './compare.ts'
import { layOver, type Package, sourcesOf, versionOf } from './lay-over.ts'
import { runTests } from './run-tests.ts'

const {
  values,
  positionals: [checkout, ...files],
} = parseArgs({ options: { sdk: { type: 'string' } }, allowPositionals: true })
const sources = checkout === undefined ? undefined : sourcesOf(resolve(process.env.INIT_CWD ?? '.', checkout))

if (sources === undefined) {
  console.error(
    `${checkout === undefined ? 'No checkout was named' : `${checkout} is no checkout of the Strands TypeScript SDK`}: ` +
      'the SDK’s own tests are not part of its package. Clone its repository at the tag of the version and name the folder.',
  )
  process.exitCode = 3
} else {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'selvage-sdk-tests-')))
  try {
    process.exitCode = await compare(sources, await packageOf(values.sdk, folder), folder)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 2
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function packageOf(version: string | undefined, folder: string): Promise<Package> {
  const modules =
    version === undefined
      ? join(import.meta.dirname, '../../../../node_modules')
      : await installSdk(version, folder, { withOptionalPeers: true, withVitest: true })
  return { folder: join(modules, '@strands-agents/sdk'), modules }
}

async function compare(sources: string, sdk: Package, folder: string): Promise<number> {
  const root = layOver(sources, sdk, folder)
  const gates = join(folder, 'gates')
  const without = await runTests(root, undefined, files)
  console.log(
    `Strands SDK ${versionOf(sdk.folder)}: without the gate ${passed(without)} of ${without.size} tests pass.`,
  )
  const withGate = await runTests(root, gates, files)
  const notes = existsSync(gates) ? readFileSync(gates, 'utf8').split('\n') : []
  const gated = notes.filter((note) => note === 'gated').length
  const refused = notes.filter((note) => note === 'refused').length
  console.log(
    `With the gate ${passed(withGate)} of ${withGate.size}; ${gated} agents were gated, ${refused} refused as unsupported and left alone.`,
  )
  if (passed(without) === 0 || gated === 0) throw new Error('Nothing was compared.')

  const first = differences(without, withGate)
  const again =
    first.length === 0 ? new Map() : await runTests(root, gates, [...new Set(first.map(({ test }) => fileOf(test)))])
  const found = first.filter(({ test }) => again.get(test)?.status !== 'passed')
  for (const { test } of first) if (again.get(test)?.status === 'passed') console.log(`\nonce only: ${test}`)

  const explained = JSON.parse(readFileSync(join(import.meta.dirname, 'differences.json'), 'utf8')) as Explained[]
  const whys = new Map(explained.map(({ test, why }) => [test, why]))
  const unexplained = found.filter(({ test }) => !whys.has(test))
  for (const { test, is, message } of found) {
    console.log(`\n${whys.has(test) ? 'explained' : 'DIFFERENCE'}: ${test}\n  ${is}: ${whys.get(test) ?? message}`)
  }
  const gone = explained.filter(({ test }) => without.has(test) && !found.some((each) => each.test === test))
  for (const { test } of gone) console.log(`\nno longer a difference, take its line out: ${test}`)
  console.log(
    `\n${found.length} differences, ${found.length - unexplained.length} of them explained in differences.json.`,
  )
  return unexplained.length === 0 ? 0 : 1
}
