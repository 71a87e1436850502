/** What workers run: `npx selvage work worker.js`, as many processes as you like. Web servers know its programs by their names. */
import { Agent } from '@strands-agents/sdk'
import type { Selvage } from 'selvage'
import { model } from '../model.ts'
import { charge, search } from '../tools.ts'

export default function register(selvage: Selvage): void {
  selvage.agent('analyst', () => new Agent({ model, tools: [search, charge], printer: false }), {
    version: '1',
    effects: { search: 'read', charge: 'once' },
    approvals: { charge: true },
  })
}
