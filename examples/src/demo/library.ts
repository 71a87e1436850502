/** The folder of documents that the demo works on. It is only read. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'

const EXTENSIONS = new Set(['.md', '.mdx', '.txt', '.rst', '.adoc'])
const SKIPPED = new Set(['node_modules', 'dist', 'build', 'coverage', 'target', 'vendor'])
const MOST_DOCUMENTS = 200
const MOST_BYTES = 1_000_000

export interface Listed {
  readonly path: string
  readonly title: string
  readonly words: number
  readonly headings: readonly string[]
}

export interface Hit {
  readonly path: string
  readonly line: number
  readonly text: string
}

export class Library {
  readonly root: string
  readonly paths: readonly string[]

  /** `within`: only these files and folders of the root; those that do not exist are passed over. */
  constructor(root: string, within: readonly string[] = ['.']) {
    this.root = root
    this.paths = within
      .flatMap((part) => documentsIn(join(root, part)))
      .map((path) => relative(root, path).split(sep).join('/'))
      .sort()
      .slice(0, MOST_DOCUMENTS)
  }

  list(): Listed[] {
    return this.paths.map((path) => {
      const text = this.read(path)
      const headings = [...text.matchAll(/^#{1,3}\s+(.+)$/gm)].map((match) => (match[1] ?? '').trim())
      return { path, title: headings[0] ?? path, words: text.split(/\s+/).length, headings: headings.slice(1, 13) }
    })
  }

  /** Lines that contain the words, the fullest documents first. */
  search(query: string, limit: number): { readonly hits: Hit[]; readonly total: number } {
    const wanted = query.toLowerCase().split(/\s+/).filter(Boolean)
    const found = this.paths.map((path) => {
      const lines = this.read(path).split('\n')
      const hits = lines.flatMap((text, index) =>
        wanted.every((word) => text.toLowerCase().includes(word)) ? [{ path, line: index + 1, text: text.trim() }] : [],
      )
      return hits
    })
    found.sort((one, other) => other.length - one.length)
    return { hits: roundRobin(found).slice(0, limit), total: found.flat().length }
  }

  /** Throws for a path that `list` does not name. */
  read(path: string): string {
    if (!this.paths.includes(path)) {
      throw new Error(`There is no document '${path}'. list_documents names those that there are.`)
    }
    return readFileSync(join(this.root, path), 'utf8')
  }
}

function documentsIn(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  if (stat.isFile()) return EXTENSIONS.has(extname(path).toLowerCase()) && stat.size <= MOST_BYTES ? [path] : []
  return readdirSync(path)
    .filter((name) => !name.startsWith('.') && !SKIPPED.has(name))
    .flatMap((name) => documentsIn(join(path, name)))
}

/** The first of each, then the second of each, … */
function roundRobin<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat()
}
