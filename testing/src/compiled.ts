/** What child processes have compiled, kept for those after them: a third of what the life of one costs. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** For the environment of a child; one that is set already stays. Node writes there when a process ends by itself. */
export const COMPILED: NodeJS.ProcessEnv = {
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), 'selvage-compiled'),
}
