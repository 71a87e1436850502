/** Before anything is measured: peers are installed and servers started, so that no section pays for them. */
import { contenders } from './contenders/all.ts'
import { install, isInstalled } from './install.ts'
import type { Planned } from './plan.ts'
import { server } from './servers.ts'
import type { Setting } from './workload.ts'

/** What cannot be had is told of by who asks for it: here nothing fails. */
export async function installPeers(planned: readonly Planned[], { quick, takesPart }: Setting): Promise<void> {
  if (!planned.some(({ workload }) => workload.besidePeers === true)) return
  const wanted = contenders().filter(({ name }) => takesPart(name))
  // The largest of them is not worth a quick run's minute.
  const peers = new Set(wanted.flatMap(({ peer }) => (peer === undefined ? [] : [peer.folder])))
  if (quick && !isInstalled('vercel-workflow')) peers.delete('vercel-workflow')
  await Promise.all([...peers].map((peer) => install(peer).catch((error) => console.error(error))))
}

/** Not before somebody needs them: a server that waits beside what is measured takes of the processor, too. */
export async function startServers({ takesPart }: Setting): Promise<void> {
  const wanted = contenders().filter(({ name }) => takesPart(name))
  const servers = new Set(wanted.flatMap(({ server }) => server ?? []))
  await Promise.all([...servers].map((name) => server(name).catch((error) => console.error(error))))
}
