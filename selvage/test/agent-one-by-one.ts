import { agentScenario } from './agent-scenario.ts'

export const scenario = agentScenario([[1], [2], [3]])
