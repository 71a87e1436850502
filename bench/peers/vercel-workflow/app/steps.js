/** What the SDK's compiler takes apart: the workflow runs in its sandbox, the step in this process. */
export async function steps(run, count) {
  'use workflow'
  for (let n = 0; n < count; n++) await step(run, n)
}

async function step(run, n) {
  'use step'
  return globalThis.benchStep(run, n)
}
