/** What a recorded value says, in a few words: a text, what a model said and called, what a tool answered, else JSON. */
export function summary(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  if (isObject(value)) {
    if (Array.isArray(value.content)) return value.content.map(block).join(' ')
    if (typeof value.text === 'string' && 'stopReason' in value) return value.text
  }
  return JSON.stringify(value, shown) ?? ''
}

function block(part: unknown): string {
  if (!isObject(part)) return summary(part)
  if (typeof part.text === 'string') return part.text
  if (isObject(part.toolUse)) return `→ ${String(part.toolUse.name)}(${summary(part.toolUse.input)})`
  if ('json' in part) return summary(part.json)
  return `<${Object.keys(part).join(', ')}>`
}

/** What JSON has no word for. */
function shown(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  return value
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
