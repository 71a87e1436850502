import { rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { z } from 'zod'
import { openSelvage } from '../src/index.ts'
const CYC = Number(process.env.CYC ?? 500)
for (const size of (process.env.SIZES ?? '200,4096').split(',').map(Number)) {
rmSync('/tmp/sq/real', { recursive: true, force: true })
const selvage = await openSelvage({ url: 'sqlite:/tmp/sq/real/a.db' })
const search = tool({ name: 'search', description: 'd', inputSchema: z.object({ query: z.string() }), callback: () => 'x'.repeat(size) })
const a = selvage.agent('a', () => new Agent({ model: new ScriptedModel((_m, { answer }) => answer > CYC ? 'done' : { text: 'Let me look at that next document.', tools: [{ name: 'search', input: { query: `item ${answer}` }, id: `tooluse_${String(answer).padStart(4,'0')}abcdefghijklmnopqr` }] }), tools: [search], printer: false }), { version: '1' })
const run = await a.start('go', { runId: 's' }); await run.result()
const conv = await run.conversation()
const canonical = conv.reduce((n, m) => n + JSON.stringify(m).length, 0)
await selvage.close()
const d = new DatabaseSync('/tmp/sq/real/a.db')
console.log(size, conv.length, 'canonical', canonical, 'per cycle', canonical / CYC, 'file', statSync('/tmp/sq/real/a.db').size, (statSync('/tmp/sq/real/a.db').size / canonical).toFixed(3))
console.log(JSON.stringify(conv[1]), JSON.stringify(conv[2]).slice(0,200))
console.log(d.prepare('select seq,previous,type,at,key,op,name,"check",attempt,took,substr(body,1,400) b from entry limit 6').all())
console.log(d.prepare("select name, count(*) pages, sum(payload) payload, sum(unused) unused from dbstat group by name order by 2 desc").all().map((r:any)=>Object.values(r).join(' ')).join('\n'))
d.close()
}
