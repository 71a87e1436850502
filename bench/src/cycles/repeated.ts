/** What a kill repeats in each way, as a table. */
import { ofRounds, type Table, type Verdict } from '../report.ts'
import { type Calls, killed, whole } from './killed.ts'
import { WAYS, type WayName } from './ways.ts'

const CYCLES = 50
/** The run is killed in the tool of this cycle. */
const PART = 40
const NEEDED: Calls = { model: CYCLES + 1, tool: CYCLES }

export interface Repeated {
  readonly table: Table
  readonly verdict: Verdict
  readonly note: string
}

export async function repeatedByKill(ways: readonly WayName[], resultBytes: number, rounds: number): Promise<Repeated> {
  const shape = { cycles: CYCLES, resultBytes }
  const durable: Calls[] = []
  const rowOf = async (way: WayName): Promise<string[]> => {
    const without = repeatedIn(way, await whole(way, shape))
    const all: Calls[] = []
    for (let round = 0; round < rounds; round++) all.push(await killed(way, shape, PART))
    const repeated = all.map((each) => repeatedIn(way, each))
    if (way.startsWith('durable')) durable.push(...repeated)
    const cells = (kind: keyof Calls): string[] => [each(all, kind), each(repeated, kind), each([without], kind)]
    return [way, ...cells('model'), ...cells('tool'), WAYS[way].resumed]
  }
  // Nothing is timed here: all at once.
  const rows = await Promise.all(ways.map(rowOf))
  const kinds = (kind: string): string[] => [`${kind} calls`, 'repeated', 'without a kill']
  return {
    table: {
      caption:
        `**${CYCLES} cycles, killed in the tool of the ${PART}th and resumed in another process** ` +
        `(${ofRounds(rounds)})`,
      head: ['', ...kinds('model'), ...kinds('tool'), 'how it was resumed'],
      rows,
    },
    verdict: {
      what: `model calls repeated by a durable agent after kill -9 in cycle ${PART} of ${CYCLES}`,
      promised: '0',
      measured: each(durable, 'model'),
      kept: durable.every(({ model }) => model === 0),
      why: 'a defect: a recorded call is never made again (I1)',
    },
    note:
      `Repeated: calls made over both processes beyond the ${NEEDED.model} of the model and ${NEEDED.tool} of the ` +
      `tool that ${CYCLES} cycles need; *without a kill*, how many of them the way makes in any case. Each call ` +
      'leaves a line in a file before it does anything else. The SIGKILL is sent when the tool has said that it has ' +
      'begun; the second process runs the same program on the same folder, resumed as the last column says. The tool ' +
      'that was killed is declared as a read and has to run again.',
  }
}

function repeatedIn(way: WayName, { model, tool }: Calls): Calls {
  const repeated = { model: model - NEEDED.model, tool: tool - NEEDED.tool }
  if (repeated.model < 0 || repeated.tool < 0) {
    throw new Error(`"${way}" made ${model} model calls and ${tool} tool calls in ${CYCLES} cycles`)
  }
  return repeated
}

/** One figure if all rounds agree. */
function each(all: readonly Calls[], kind: keyof Calls): string {
  const counts = new Set(all.map((calls) => calls[kind]))
  return [...counts].join(' or ')
}
