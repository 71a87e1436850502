/** Words and sentences of documents: all that the offline minds know of language. */

const COMMON = new Set(
  `about above after again against all already also although always among and another any anyone are aren because been
  before being below between both but can cannot could did does doing done down during each either else even ever every
  everything few first for from further get gets give given goes has have having hence her here how however i.e. if in
  inside instead into is it its itself just keep kept last later least less like made make makes many may means might
  more most much must need needs never new no nobody none nor not nothing now off often once one ones only or other
  others otherwise our out outside over own per rather read same says see several she should since so some something
  soon still such take takes than that the their them then there these they thing things this those three through thus
  time too two under until upon us use used uses using very want was way well were what when where whether which while
  who whole whom whose why will with within without word words would write yet you your chapter contents example
  documents document examples introduction main notes overview points section summary table version`.split(/\s+/),
)

/** The words of a text that could say what it is about, in lower case. */
export function topicalWords(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}][\p{L}-]{3,}/gu) ?? []
  return words.filter((word) => !COMMON.has(word) && !word.includes('--'))
}

export interface Sentence {
  readonly text: string
  /** Counted from 1. */
  readonly line: number
}

const SHORTEST = 40
const LONGEST = 240

/** Sentences of running text: no headings, tables, code or links by themselves. */
export function sentencesOf(markdown: string): Sentence[] {
  const found: Sentence[] = []
  for (const paragraph of paragraphsOf(markdown)) {
    let from = 0
    for (const match of paragraph.text.matchAll(/[.!?](?=\s|$)/g)) {
      const raw = paragraph.text.slice(from, match.index + 1)
      const start = from + (raw.length - raw.trimStart().length)
      const text = raw.trim().replace(/\s+/g, ' ')
      from = match.index + 1
      const line = paragraph.line + (paragraph.text.slice(0, start).match(/\n/g)?.length ?? 0)
      if (text.length >= SHORTEST && text.length <= LONGEST && /^[\p{Lu}`*]/u.test(text)) found.push({ text, line })
    }
  }
  return found
}

function paragraphsOf(markdown: string): Sentence[] {
  const paragraphs: { text: string; line: number }[] = []
  let open: { text: string; line: number } | undefined
  let inCode = false
  for (const [index, raw] of markdown.split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(raw)) inCode = !inCode
    const item = /^\s*(?:[-*+]|\d+\.)\s+/.exec(raw)
    const isProse = !inCode && raw.trim() !== '' && !/^\s*(#|\||>|```|~~~|<|\[[^\]]*\]:|---)/.test(raw)
    if (!isProse || item !== null) open = undefined
    if (!isProse) continue
    const text = item === null ? raw : raw.slice(item[0].length)
    if (open === undefined) {
      open = { text, line: index + 1 }
      paragraphs.push(open)
    } else {
      open.text += `\n${text}`
    }
  }
  return paragraphs
}

export function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
