/**
 * Where an agent inside of a run stands, the same in each process: names need not differ (the SDK has a default one), but
 * nodes of a graph and tools of an agent do.
 *
 *   node:b     tool:helper     node:team/node:b/tool:helper
 */
import type { Agent } from '@strands-agents/sdk'
import { segment } from './frames.ts'

const places = new WeakMap<Agent, string>()

/** Of an agent that stands in two places: where it is found first. */
export function setPlace(agent: Agent, place: string): void {
  places.set(agent, place)
}

/** Undefined: the agent of the run itself. */
export function placeOf(agent: Agent): string | undefined {
  return places.get(agent)
}

export function placeOfTool(agent: Agent, tool: string): string {
  return below(places.get(agent), `tool:${segment(tool)}`)
}

/** `outer`: that of the orchestrator, if it is a node itself. */
export function placeOfNode(outer: string | undefined, id: string): string {
  return below(outer, `node:${segment(id)}`)
}

function below(outer: string | undefined, place: string): string {
  return outer === undefined ? place : `${outer}/${place}`
}
