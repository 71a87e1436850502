import { describe, expect, it } from 'vitest'
import { bars } from './plot.ts'

const widths = (svg: string): number[] =>
  [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))

describe('bars', () => {
  it('are as long as their values', () => {
    const { svg } = bars({
      file: 'x.svg',
      title: 'x',
      bars: [
        { label: 'a', value: 10, kind: 'ours' },
        { label: 'b', value: 5, kind: 'peer' },
      ],
    })
    const [a = 0, b = 0] = widths(svg)
    expect(b / a).toBeCloseTo(0.5, 2)
  })

  it('are logarithmic where the values are far from each other: a decade is as long as the next one', () => {
    const { svg } = bars({
      file: 'x.svg',
      title: 'x',
      bars: [1_000, 100, 10].map((value) => ({ label: 'a', value, kind: 'ours' as const })),
    })
    const [thousand = 0, hundred = 0, ten = 0] = widths(svg)
    expect(thousand - hundred).toBeCloseTo(hundred - ten, 0)
    expect(ten).toBeGreaterThan(10)
  })

  it('stand apart where a group begins', () => {
    const { svg } = bars({
      file: 'x.svg',
      title: 'x',
      bars: [false, false, true].map((beginsGroup) => ({ label: 'a', value: 1, kind: 'ours' as const, beginsGroup })),
    })
    const [first = 0, second = 0, third = 0] = [...svg.matchAll(/<rect [^>]*y="(\d+)"/g)].map(([, y]) => Number(y))
    expect(third - second).toBeGreaterThan(second - first)
  })

  it('take any label as text', () => {
    const { svg } = bars({
      file: 'x.svg',
      title: 'a < b & "c"',
      bars: [{ label: '<script>', value: 1, kind: 'floor' }],
    })
    expect(svg).toContain('aria-label="a &lt; b &amp; &quot;c&quot;"')
    expect(svg).toContain('&lt;script>')
    expect(svg).not.toContain('<script')
  })
})
