/** A peer's own way to be woken, so many times. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forkChild, within } from '../children.ts'
import type { Contender } from '../contender.ts'
import { install, peerFolder } from '../install.ts'
import { scratchFolder } from '../scratch.ts'
import { server } from '../servers.ts'

/** Of a peer that does not come to its end. */
const PATIENCE_MS = 15_000

/** Milliseconds of each, as it reports them. */
export async function peerWakes({ title, peer, server: kind }: Contender, count: number): Promise<readonly number[]> {
  if (peer?.wakes === undefined) throw new Error(`${title} has nothing to wake`)
  await install(peer.folder)
  const addresses = kind === undefined ? [] : await (await server(kind)).addresses()
  const folder = scratchFolder()
  const program = pathToFileURL(join(peerFolder(peer.folder), peer.wakes))
  const child = forkChild(program, [folder, String(count), ...addresses], { cwd: folder })
  const measured: number[] = []
  try {
    await within(PATIENCE_MS, `${count} wake-ups`, ended(child, measured))
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${measured.length} were heard`)
  } finally {
    child.kill('SIGKILL')
  }
  if (measured.length !== count) throw new Error(`${count} were sent, ${measured.length} were heard`)
  return measured
}

function ended(child: ChildProcess, measured: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'ended') resolve()
      else measured.push(message as number)
    })
    child.once('exit', (code) => reject(new Error(`it ended with code ${code}`)))
  })
}
