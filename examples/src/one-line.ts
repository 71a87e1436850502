// Kill it while it runs, and run it again: it goes on where it was.

// #region readme
import { Agent } from '@strands-agents/sdk'
import { durable, isReplayed } from 'selvage'
import { model } from './model.ts'
import { search } from './tools.ts'

const agent = new Agent({ model, tools: [search], plugins: [durable({ runId: 'q4-report' })] })
const result = await agent.invoke('Analyse Q4 market trends')
// #endregion
// The agent prints what it says while it says it, not what it said before the process died.
if (isReplayed(result)) console.log(`recorded: ${result.toString()}`)
