import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '../..')

interface Block {
  readonly file: string
  readonly code: string
}

/** Code blocks that say, in a comment above them, which file they are. */
function blocksOf(markdown: string): Block[] {
  const marked = /<!--\s*(examples\/src\/[\w./-]+\.ts)\s*-->\s*?\n+```ts\n(.*?)\n?```/gs
  return [...markdown.matchAll(marked)].map(([, file = '', code = '']) => ({ file, code }))
}

/** What the README shows of a file: its region `readme`, or all of it. */
function shownOf(source: string): string {
  const region = /^[ \t]*\/\/ #region readme[^\n]*\n(.*?)^[ \t]*\/\/ #endregion/ms.exec(source)
  return (region?.[1] ?? source).trim()
}

function differencesIn(markdown: string, read: (file: string) => string): string[] {
  return blocksOf(markdown)
    .filter(({ file, code }) => code.trim() !== shownOf(read(file)))
    .map(({ file }) => file)
}

describe('README.md', () => {
  const readme = join(repository, 'README.md')

  it('shows the examples as they are', () => {
    const markdown = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
    for (const { file, code } of blocksOf(markdown)) {
      expect(code.trim(), `${file} has changed: copy it into README.md`).toBe(
        shownOf(readFileSync(join(repository, file), 'utf8')),
      )
    }
  })

  it('has a marker above each block that is an example', () => {
    const markdown = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
    const markers = markdown.match(/<!--\s*examples\/src\/[^>]*-->/g) ?? []
    expect(blocksOf(markdown)).toHaveLength(markers.length)
  })
})

describe('the comparison', () => {
  const source = "import { z } from 'zod'\n// #region readme\nconst a = 1\n// #endregion\nconst b = 2\n"
  const block = (code: string): string => `Text\n\n<!-- examples/src/some.ts -->\n\`\`\`ts\n${code}\n\`\`\`\n`

  it('takes the region of a file', () => {
    expect(differencesIn(block('const a = 1'), () => source)).toEqual([])
  })

  it('takes the whole of a file without a region', () => {
    expect(differencesIn(block('const b = 2'), () => 'const b = 2\n')).toEqual([])
  })

  it('finds a difference', () => {
    expect(differencesIn(block('const a = 2'), () => source)).toEqual(['examples/src/some.ts'])
    expect(differencesIn(block('const a = 1\nconst b = 2'), () => source)).toEqual(['examples/src/some.ts'])
  })

  it('leaves other blocks alone', () => {
    expect(differencesIn('```ts\nanything\n```', () => source)).toEqual([])
  })
})
