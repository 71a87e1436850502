/**
 * SQL cut into its statements, without comments around them. A semicolon ends a statement, but not in a text, a name, a
 * comment, or the body of a trigger, which ends with `end`. Source: https://sqlite.org/c3ref/complete.html.
 */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|;|[A-Za-z_]\w*|\s+|[\s\S]/g
const TRIGGER = /^create (?:(?:temp|temporary) )?trigger$/

export function statementsOf(sql: string): string[] {
  const statements: string[] = []
  let text = ''
  let words: string[] = []
  let cases = 0
  let last = ''
  const finish = (): void => {
    if (text.trim() !== '') statements.push(text.trim())
    text = ''
    words = []
    cases = 0
    last = ''
  }
  for (const [token] of sql.matchAll(TOKEN)) {
    const isBlank = /^(?:--|\/\*|\s)/.test(token)
    if (isBlank) {
      if (text !== '') text += /^\s/.test(token) ? token : ' '
      continue
    }
    const isTrigger = TRIGGER.test(words.slice(0, 2).join(' ')) || TRIGGER.test(words.slice(0, 3).join(' '))
    if (token === ';' && !(isTrigger && !(last === 'end' && cases === 0))) {
      finish()
      continue
    }
    const word = token.toLowerCase()
    if (words.length < 3 && /^[a-z]/.test(word)) words.push(word)
    if (word === 'case') cases += 1
    else if (word === 'end' && cases > 0) {
      cases -= 1
      last = 'end of a case'
      text += token
      continue
    }
    last = word
    text += token
  }
  finish()
  return statements
}
