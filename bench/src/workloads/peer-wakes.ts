/** A peer's own way to be woken. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forkChild } from '../children.ts'
import type { Contender, Wakes } from '../contender.ts'
import { install, peerFolder } from '../install.ts'
import { scratchFolder } from '../scratch.ts'
import { server } from '../servers.ts'
import { wakesOf } from '../wakes.ts'

export async function peerWakes({ title, peer, server: kind }: Contender): Promise<Wakes> {
  if (peer?.wakes === undefined) throw new Error(`${title} has nothing to wake`)
  await install(peer.folder)
  const addresses = kind === undefined ? [] : await (await server(kind)).addresses()
  const folder = scratchFolder()
  const program = pathToFileURL(join(peerFolder(peer.folder), peer.wakes))
  return wakesOf(forkChild(program, [folder, ...addresses], { cwd: folder }))
}
