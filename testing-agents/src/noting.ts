import { type Tool, tool } from '@strands-agents/sdk'

/** A tool that takes a number, and tells that it has run. */
export function noting(name: string, note: (what: string) => void): Tool {
  return tool({
    name,
    description: `Does ${name}.`,
    inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
    callback: (input) => {
      const { n } = input as { n: number }
      note(`${name} ${n}`)
      return `${name} of ${n}`
    },
  })
}
