/** The model of each stage of the demo, and the mind that stands in for it where there is no API key. */
import type { Model } from '@strands-agents/sdk'
import { chooseModel, describeModels } from '../models.ts'
import type { Mind } from '../offline-model.ts'
import type { CallLog } from './call-log.ts'
import { CountedModel } from './counted-model.ts'
import { executor } from './offline/executor.ts'
import { planner } from './offline/planner.ts'
import { summariser } from './offline/summariser.ts'

export type Role = 'planner' | 'executor' | 'summariser'

const MINDS: { readonly [role in Role]: Mind } = { planner, executor, summariser }
const ROLES: readonly Role[] = ['planner', 'executor', 'summariser']

export async function modelFor(role: Role, calls: CallLog): Promise<Model> {
  return new CountedModel(await chooseModel(role, MINDS[role]), calls)
}

export function whoAnswers(): string {
  return describeModels(ROLES)
}

/** Throws what a worker would run into. ModelChoiceError. */
export async function checkModels(): Promise<void> {
  for (const role of ROLES) await chooseModel(role, MINDS[role])
}
