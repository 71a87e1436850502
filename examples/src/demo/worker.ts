/** A worker: it registers the programs and works on whatever run needs one. It is built to be killed at any time. */
import { openSelvage } from 'selvage'
import { CallLog } from './call-log.ts'
import { Ledger } from './ledger.ts'
import { Library } from './library.ts'
import { modelFor } from './models.ts'
import { Press } from './press.ts'
import { registerPrograms } from './programs.ts'
import { callsOf, ledgerOf, reportOf, type Settings, urlOf } from './settings.ts'
import { createTools } from './tools.ts'
import type { News } from './worker-process.ts'

const settings: Settings = JSON.parse(process.argv[2] ?? '')

function tell(news: News): void {
  if (process.connected) process.send?.(news)
}

// Nobody watches any more: there is no demo without its orchestrator.
process.on('disconnect', () => process.exit())

const calls = new CallLog(callsOf(settings), (note) => tell({ type: 'call', note }))
const ledger = new Ledger(ledgerOf(settings))
const library = new Library(settings.root, settings.within)
const press = new Press(reportOf(settings), ledger, calls)

const selvage = await openSelvage({ url: urlOf(settings) })
registerPrograms(selvage, {
  tools: createTools({ library, ledger, calls }),
  press,
  modelFor: (role) => modelFor(role, calls),
})
await selvage.work()
tell({ type: 'working' })
