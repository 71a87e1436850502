/** A run of one way in a process of its own: brought to its first line, and then run. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { forkChild, within } from '../children.ts'
import { databaseFile } from '../contenders/selvage/database.ts'
import { scratchFolder } from '../scratch.ts'
import type { Cycles } from './cycle-process.ts'
import { CHECKPOINTING, type WayName } from './ways.ts'

export interface Size {
  readonly cycles: number
  /** UTF-8 bytes of text in each tool result. */
  readonly resultBytes: number
}

export interface Ran extends Cycles {
  /** Of the database, once nothing is open. */
  readonly pages: number | undefined
  readonly fileBytes: number | undefined
}

/** Its imports have been done: what it is told then is the run alone. */
export interface Ready {
  /** Rejects when it takes until later than `until`, by `performance.now()`. */
  run(until: number): Promise<Ran>
}

const IMPORT_MS = 60_000

export async function makeReady(way: WayName, size: Size): Promise<Ready> {
  const folder = scratchFolder()
  const shape = JSON.stringify({ folder, ...size })
  const child = forkChild(new URL('./cycle-process.js', import.meta.url), [way, shape])
  await within(IMPORT_MS, `the imports of "${way}"`, nextMessage(child, way))
  return {
    async run(until) {
      try {
        const answered = nextMessage(child, way)
        child.send('go')
        const answer = checked((await within(until - performance.now(), `"${way}"`, answered)) as Cycles, way, size)
        return { ...answer, ...stored(databaseFile(folder)) }
      } finally {
        child.kill('SIGKILL')
      }
    },
  }
}

function nextMessage(child: ChildProcess, way: WayName): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`"${way}" ended with code ${code} and no figures`)))
  })
}

/** One call of each in a cycle, and one more of the model; checkpointing may ask the model more often, and never less. */
function checked(answer: Cycles, way: WayName, { cycles }: Size): Cycles {
  const { modelCalls, toolCalls } = answer
  const isEnough = way === CHECKPOINTING ? modelCalls > cycles : modelCalls === cycles + 1
  if (!isEnough || toolCalls !== cycles) {
    throw new Error(`"${way}" made ${modelCalls} model calls and ${toolCalls} tool calls in ${cycles} cycles`)
  }
  return answer
}

function stored(file: string): Pick<Ran, 'pages' | 'fileBytes'> {
  if (!existsSync(file)) return { pages: undefined, fileBytes: undefined }
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const pages = Number(database.prepare('pragma page_count').get()?.page_count)
    return { pages, fileBytes: statSync(file).size }
  } finally {
    database.close()
  }
}
