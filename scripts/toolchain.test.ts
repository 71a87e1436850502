import { globSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

test('npm scripts run on the Node of devDependencies, not on that of the machine', () => {
  expect(process.versions.node).toMatch(/^24\./)
})

test('tests resolve packages to their sources, so no stale build is ever tested', () => {
  expect(import.meta.resolve('@selvage/core')).toMatch(/\/core\/src\/index\.ts$/)
})

// npm nests one copy in each workspace unless the root asks for it too, and then an Agent is not an Agent.
test('one copy of the Strands SDK serves all packages', () => {
  const copies = globSync('{.,*,*/*}/node_modules/@strands-agents/sdk/package.json', { cwd: root })
  expect(copies).toEqual([join('node_modules', '@strands-agents', 'sdk', 'package.json')])
})
