/**
 * `npm run pack [-- <folder>]`: makes of each package what is published, under `<folder>/node_modules` (default `packed`).
 *
 *   src/*.ts ──▶ dist/index.js, … one file for each entry of `exports`, one for what several entries share
 *   schema/*.sql ──▶ inside of those: a program that is bundled has no files beside it
 *   dist/**.d.ts, README.md, … as they are
 *
 * A package is loaded in a few files then, and not in one for each concept: Node takes half a millisecond for each file. What
 * packages take from each other stays outside, so that two of them never hold two copies of a third. The folder is laid out
 * so that they find each other, and everything else in the `node_modules` further up.
 */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

interface Target {
  readonly '@selvage/source': string
  readonly types: string
  readonly default: string
}

interface PackageJson {
  readonly name: string
  readonly private?: true
  readonly exports: { readonly [path: string]: Target | string }
  readonly files: readonly string[]
}

const SOURCE = '@selvage/source'
const root = join(import.meta.dirname, '..')
const target = resolve(root, process.argv[2] ?? 'packed', 'node_modules')
/** Its modules are started as processes of their own, by their place. The command's entry is no export. */
const NOT_BUNDLED = ['@selvage/testing', '@selvage/cli']

const migrationsInside: Plugin = {
  name: 'migrations inside',
  load(id) {
    if (!id.endsWith('/src/migrations.ts')) return
    const folder = join(dirname(id), '../schema')
    const texts = globSync('*.sql', { cwd: folder })
      .toSorted()
      .map((name) => readFileSync(join(folder, name), 'utf8'))
    return `export const MIGRATIONS = ${JSON.stringify(texts)}`
  },
}

rmSync(target, { recursive: true, force: true })
for (const home of published()) await pack(home)

function published(): readonly string[] {
  const { workspaces } = read(root) as unknown as { workspaces: readonly string[] }
  const manifests = globSync(
    workspaces.map((workspace) => `${workspace}/package.json`),
    { cwd: root },
  )
  return manifests.map((manifest) => join(root, dirname(manifest))).filter((home) => read(home).private !== true)
}

function read(home: string): PackageJson {
  return JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as PackageJson
}

async function pack(home: string): Promise<void> {
  const { name, exports, files } = read(home)
  const to = join(target, name)
  const isBundled = !NOT_BUNDLED.includes(name)
  mkdirSync(to, { recursive: true })
  for (const file of ['README.md', ...files.filter((each) => !each.startsWith('!') && each !== 'dist')])
    if (existsSync(join(home, file))) cpSync(join(home, file), join(to, file), { recursive: true })
  cpSync(join(root, 'LICENSE'), join(to, 'LICENSE'))
  if (name === 'selvage') cpSync(join(root, 'README.md'), join(to, 'README.md'))
  for (const file of globSync(isBundled ? 'dist/**/*.d.ts' : 'dist/**/*.{js,d.ts}', { cwd: home }))
    cpSync(join(home, file), join(to, file))
  const targets = Object.values(exports).filter((each) => typeof each !== 'string')
  if (isBundled) await bundle(home, to, targets)
  const manifest = { ...read(home), exports: withoutSources(exports), devDependencies: undefined, scripts: undefined }
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}

async function bundle(home: string, to: string, targets: readonly Target[]): Promise<void> {
  const input = Object.fromEntries(
    targets.map((each) => [relative('dist', each.default).replace(/\.js$/, ''), join(home, each[SOURCE])]),
  )
  const bundled = await rolldown({
    input,
    platform: 'node',
    external: (id) => !/^[./]/.test(id),
    plugins: [migrationsInside],
    transform: { target: 'es2024' },
  })
  await bundled.write({ dir: join(to, 'dist'), format: 'esm', sourcemap: true, chunkFileNames: '[name]-[hash].js' })
  await bundled.close()
}

/** Sources are not published. */
function withoutSources(exports: PackageJson['exports']): PackageJson['exports'] {
  const rest = ({ types, default: code }: Target): object => ({ types, default: code })
  return Object.fromEntries(
    Object.entries(exports).map(([path, each]) => [path, typeof each === 'string' ? each : rest(each)]),
  ) as PackageJson['exports']
}
