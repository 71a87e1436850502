/**
 * The SDK's own unit tests, with and without our gate on every Agent:
 *
 *   npm run -w @selvage/strands sdk-tests -- <checkout> [--sdk 1.16.0] [--minutes 30] [file …]
 *
 * `<checkout>` is a checkout of the SDK's repository at the tag of the version; nothing of it is kept. Its tests are laid
 * over the published package: the installed one, or `--sdk`, which is installed into a temporary folder. Tests that fail
 * without the gate (a package is not installed, a network is not there) are counted and named, and say nothing. Each of
 * the two runs may take `--minutes`.
 *
 * Exit codes: 0 no difference but those that differences.json explains · 1 others · 2 the tests cannot be run ·
 * 3 there is no checkout.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installSdk } from '../any-sdk/install.ts'
import { type Difference, differences, type Explained, explains, failing, fileOf, passed } from './compare.ts'
import { layOver, type Package, sourcesOf, versionOf } from './lay-over.ts'
import { type Results, runTests } from './run-tests.ts'

const {
  values,
  positionals: [checkout, ...files],
} = parseArgs({
  options: { sdk: { type: 'string' }, minutes: { type: 'string', default: '30' } },
  allowPositionals: true,
})
const minutes = Number(values.minutes)
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
  const laid = layOver(sources, sdk, folder)
  const gates = join(folder, 'gates')
  const without = await runTests(laid, { files, minutes })
  const broken = failing(without)
  console.log(
    `Strands SDK ${versionOf(sdk.folder)}: without the gate ${passed(without)} of ${without.tests.size} tests pass, ` +
      `${broken.length} fail${broken.length === 0 ? '.' : ' and say nothing of it:'}`,
  )
  for (const line of broken) console.log(`  ${line}`)
  const withGate = await runTests(laid, { gates, files, minutes })
  const notes = existsSync(gates) ? readFileSync(gates, 'utf8').split('\n') : []
  const gated = notes.filter((note) => note === 'gated').length
  const refused = notes.filter((note) => note === 'refused').length
  console.log(
    `With the gate ${passed(withGate)} of ${withGate.tests.size}; ${gated} agents were gated, ${refused} refused as unsupported and left alone.`,
  )
  if (passed(without) === 0 || gated === 0) throw new Error('Nothing was compared.')

  const found = await lasting(
    differences(without, withGate),
    async (files) => await runTests(laid, { gates, files, minutes }),
  )
  const explained = JSON.parse(readFileSync(join(import.meta.dirname, 'differences.json'), 'utf8')) as Explained[]
  const whyOf = (difference: Difference): string | undefined =>
    explained.find((each) => explains(each, difference))?.why
  const unexplained = found.filter((each) => whyOf(each) === undefined)
  for (const each of found) {
    const why = whyOf(each)
    console.log(
      `\n${why === undefined ? 'DIFFERENCE' : 'explained'}: ${each.test}\n  ${each.is}: ${why ?? each.message}`,
    )
  }
  const known = new Set([...without.tests.keys()].flatMap((test) => [test, fileOf(test)]))
  const gone = explained.filter(
    (each) => known.has(each.test) && !found.some((difference) => explains(each, difference)),
  )
  for (const { test } of gone) console.log(`\nno longer a difference, take its line out: ${test}`)
  console.log(
    `\n${found.length} differences, ${found.length - unexplained.length} of them explained in differences.json.`,
  )
  return unexplained.length === 0 ? 0 : 1
}

/** Those that are there a second time, too. */
async function lasting(
  first: readonly Difference[],
  run: (files: readonly string[]) => Promise<Results>,
): Promise<readonly Difference[]> {
  const inTests = first.filter(({ is }) => is !== 'unhandled')
  if (inTests.length === 0) return first
  const { tests } = await run([...new Set(inTests.map(({ test }) => fileOf(test)))])
  const isOnce = ({ test }: Difference): boolean => tests.get(test)?.status === 'passed'
  for (const { test } of first.filter(isOnce)) console.log(`\nonce only: ${test}`)
  return first.filter((each) => !isOnce(each))
}
