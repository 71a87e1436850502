/** A server ends with the process that started it, also where that is killed and can say nothing any more. */
import { type ChildProcess, spawn } from 'node:child_process'

/** A shell holds one end of a pipe; ours is closed by the kernel, whatever ends us. */
export function noOrphan(server: ChildProcess, signal: 'QUIT' | 'KILL'): void {
  if (server.pid === undefined) return
  const args = ['-c', `read -r _; kill -s ${signal} "$0"`, String(server.pid)]
  const watch = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watch.on('error', () => {})
  watch.unref()
  // Its number may be given to another process from then on.
  server.once('exit', () => watch.kill('SIGKILL'))
}
