/** As important as what is. */
export const NOT_MEASURED: string = [
  '## What is not measured',
  '',
  '- Other frameworks: they follow, on the same work in the same run.',
  '- Other machines and disks. A laptop or cloud disk takes 5 to 30 times longer for an fsync; a step then costs ' +
    'that fsync, and ratios to the floor are nearer to 1.',
  "- Real power loss. Where a row says *full*, the setting was checked and the syncs were counted; the drive's own " +
    'cache is taken at its word.',
  '- Several worker processes on one file, and databases beyond a few hundred megabytes.',
  '- Network, models and tools: models and tools here answer at once. In production they take seconds, beside which ' +
    'every figure on this page is small.',
].join('\n')
