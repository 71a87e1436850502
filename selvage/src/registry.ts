import type { Program } from '@selvage/core'
import { refuseNoText, UsageError } from '@selvage/core'

interface Named {
  readonly name: string
  readonly version?: string | undefined
}

/** The programs of one opened Selvage: what its worker claims, asked anew each time it looks for work. */
export class Registry {
  readonly #programs = new Map<string, Program>()

  /** ALREADY_REGISTERED for a second program of that name and version. BAD_INPUT where one of the two is no text. */
  add(program: Program): void {
    refuseNoText('The name of a program', program.name)
    if (program.version !== undefined) refuseNoText(`The version of program '${program.name}'`, program.version)
    const key = keyOf(program)
    if (this.#programs.has(key)) {
      const version = program.version === undefined ? 'without a version' : `in version '${program.version}'`
      throw new UsageError('ALREADY_REGISTERED', `Program '${program.name}' ${version} is registered already.`, {
        hint: 'Give the other program another name or version. A module that is loaded again (a hot reload) opens a new Selvage, and closes the one before.',
      })
    }
    this.#programs.set(key, program)
  }

  has(program: Named): boolean {
    return this.#programs.has(keyOf(program))
  }

  list(): readonly Program[] {
    return [...this.#programs.values()]
  }
}

function keyOf({ name, version }: Named): string {
  return JSON.stringify([name, version])
}
