import type { Section } from '@selvage/testing/conformance'
import { assistant } from './assistant.ts'
import { chat } from './chat.ts'
import { failingNode } from './failing-node.ts'

/** To be handed to the kit: `conformance({ …, more: AGENTS })`. */
export const AGENTS: readonly Section[] = [assistant, failingNode, chat]
