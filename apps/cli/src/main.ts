import { UsageError } from '@selvage/core'
import { CommanderError } from 'commander'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { explain } from './failure.ts'
import { allowClosedPipe } from './output.ts'
import { createProgram } from './program.ts'

allowClosedPipe()
const json = process.argv.includes('--json')
const program = createProgram(json)
for (const command of [program, ...program.commands]) command.exitOverride()
try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what was wrong; help and version are no failure.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    // Without a command it shows the help, which is no JSON.
    if (json && error.code === 'commander.help') explain(new UsageError('BAD_INPUT', 'a command is missing'), json)
  } else {
    explain(error, json)
    process.exitCode = exitCodeOf(error)
  }
}
