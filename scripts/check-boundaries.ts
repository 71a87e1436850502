// What Biome cannot express: a relative import must stay inside its own package. Such an import would pass by the exports
// of the other package, its declared dependencies and the direction rules in biome.json, and would break once published.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

const root = join(import.meta.dirname, '..')
const workspaces: string[] = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces
const packages = globSync(
  workspaces.map((workspace) => `${workspace}/package.json`),
  { cwd: root },
).map((manifest) => dirname(manifest))

const specifiers = /\b(?:from|import|import\.meta\.resolve|require)\s*\(?\s*(['"`])(\.{1,2}\/[^'"`]*)\1/g

const violations: string[] = []
for (const home of packages) {
  const files = globSync(`${home}/**/*.{ts,mts,js,mjs}`, {
    cwd: root,
    exclude: (path) => /(^|[\\/])(node_modules|dist)$/.test(path),
  })
  for (const file of files) {
    const source = readFileSync(join(root, file), 'utf8')
    for (const match of source.matchAll(specifiers)) {
      const specifier = match[2] ?? ''
      if (!relative(home, join(dirname(file), specifier)).startsWith(`..${sep}`)) continue
      const line = source.slice(0, match.index).split('\n').length
      violations.push(`${file}:${line} imports '${specifier}', which is outside ${home}`)
    }
  }
}

if (violations.length > 0) {
  console.error(violations.join('\n'))
  console.error('A package reaches another only by its name: declare it in package.json and import that.')
  process.exitCode = 1
}
