import { expect, test } from 'vitest'

test('npm scripts run on the Node of devDependencies, not on that of the machine', () => {
  expect(process.versions.node).toMatch(/^24\./)
})

test('tests resolve packages to their sources, so no stale build is ever tested', () => {
  expect(import.meta.resolve('@selvage/core')).toMatch(/\/core\/src\/index\.ts$/)
})
