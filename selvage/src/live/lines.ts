/** JSON, a line each, over a socket. */
import type { Socket } from 'node:net'

export type Line = { readonly [key: string]: unknown }

/** Lines that are none end the connection: whoever wrote them is not one of us. */
export function readLines(socket: Socket, heard: (line: Line) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (data) => {
    const lines = (rest + String(data)).split('\n')
    rest = lines.pop() ?? ''
    try {
      for (const line of lines) heard(JSON.parse(line) as Line)
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
}
