import { expect, it } from 'vitest'
import { place } from '../../test/place.ts'
import { plan } from '../../test/plan.ts'
import { unknownStatement } from './unknown.ts'

it('are found in an index that holds nothing else', async () => {
  const here = place()
  await here.open()
  for (const query of [{}, { after: Buffer.from('7').toString('base64url') }]) {
    const { sql, values } = unknownStatement(query, 10)
    const steps = plan(here.path, sql, values)
    expect(steps.join()).toMatch(/entry USING (?:COVERING )?INDEX entry_unknown/)
    expect(steps.join()).not.toMatch(/TEMP B-TREE/)
  }
  await here.close()
})
