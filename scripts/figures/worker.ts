// A worker in a process of its own, to be measured and killed: worker.ts <module> <folder> <names steps> <ms that a step takes>
import { enginePrograms } from '../../testing/src/index.ts'
import type { Measured } from './measured.ts'

const [, , module = '', folder = '', names, ms = '0'] = process.argv
process.stdin.on('end', () => process.exit()).resume()
const { open } = (await import(module)) as Measured
const { engine, host } = await open(folder, { namesSteps: names === 'true' })
const act = (): void | Promise<void> => (ms === '0' ? undefined : new Promise((done) => setTimeout(done, Number(ms))))
await engine.serve(host(enginePrograms(act)))
console.log('ready')
