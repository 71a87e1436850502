/**
 * One run in one way, to be killed: node killed-process.js <way> <shape as JSON> <calls> <part>. Each call of the model
 * and of the tool is a line of the file `calls`, written before the call does anything. In the tool call for that part
 * the process says so and stands still; part 0 is none.
 */
import { appendFileSync } from 'node:fs'
import { type Shape, WAYS, type WayName } from './ways.ts'

const [way = '', shape = '{}', calls = '', part = '0'] = process.argv.slice(2)

/** Also what keeps the process alive while it stands still. */
process.on('disconnect', () => process.exit())
await WAYS[way as WayName].run(JSON.parse(shape) as Shape, {
  model: () => appendFileSync(calls, 'model\n'),
  tool: (asked) => {
    appendFileSync(calls, `tool ${asked}\n`)
    return asked === Number(part) ? standStill() : undefined
  },
})
process.send?.('ended', () => process.disconnect())

function standStill(): Promise<void> {
  process.send?.('in the tool')
  return new Promise(() => {})
}
