/** As important as what is. */
export const NOT_MEASURED: string = [
  '## What is not measured',
  '',
  '- Temporal, Dapr, Step Functions, Cloudflare and Inngest: their servers are not in npm, or only stand-ins of them. ' +
    'AWS Lambda durable functions: without AWS there is only a loopback of ours, whose figures say nothing of it.',
  '- Other settings of peers. Each is set up as its documentation advises, on one machine, beside its database; a ' +
    'server of its own machine would leave more processor to the worker, and put a network between.',
  '- Processor and memory of the servers (PostgreSQL, Restate): those shown are of the process that runs the steps.',
  '- What a caller waits for beyond the last step: many peers look for the end of a run only every second or so.',
  '- Other machines and disks. A laptop or cloud disk takes 5 to 30 times longer for an fsync; a step then costs ' +
    'that fsync, and ratios to the floor are nearer to 1.',
  '- Real power loss. Where a row says *full*, the syncs of one step after another were counted; `synchronous` was read back from ' +
    'the floor’s and LangGraph’s connections, fsync, synchronous_commit and full_page_writes from PostgreSQL. The drive’s own cache is ' +
    'taken at its word.',
  '- A disk that has not been read since the machine was started: cold processes find files that were written shortly ' +
    'before, in the memory of the system.',
  '- Several worker processes on one file, and databases beyond a few hundred megabytes.',
  '- Network, models and tools: models and tools here answer at once. In production they take seconds, beside which ' +
    'every figure on this page is small.',
].join('\n')
