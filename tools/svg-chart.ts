// A line chart as SVG text: a logarithmic axis of x, a linear one of y from 0.

export interface Series {
  readonly name: string
  readonly colour: string
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly isDashed?: boolean
}

export interface Chart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly Series[]
}

const [WIDTH, HEIGHT] = [720, 400]
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 20, 40, 60]
const TICKS = 5

export function drawChart({ title, xLabel, yLabel, series }: Chart): string {
  const all = series.flatMap(({ points }) => points)
  const xs = [...new Set(all.map(([x]) => x))].toSorted((a, b) => a - b)
  const [low, high] = [Math.log2(xs[0] ?? 1), Math.log2(xs.at(-1) ?? 2)]
  const top = niceAbove(Math.max(...all.map(([, y]) => y)))
  const atX = (x: number) => LEFT + ((Math.log2(x) - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT)
  const atY = (y: number) => HEIGHT - BOTTOM - (y / top) * (HEIGHT - TOP - BOTTOM)
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text({ x: WIDTH / 2, y: 22, anchor: 'middle' }, title),
    text({ x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 12, anchor: 'middle' }, xLabel),
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
  ]
  for (let tick = 0; tick <= TICKS; tick += 1) {
    const y = (top / TICKS) * tick
    lines.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(atY(y))}" y2="${round(atY(y))}" stroke="#dddddd"/>`)
    lines.push(text({ x: LEFT - 8, y: atY(y) + 4, anchor: 'end' }, String(round(y))))
  }
  for (const x of xs) lines.push(text({ x: atX(x), y: HEIGHT - BOTTOM + 18, anchor: 'middle' }, String(x)))
  for (const [at, { name, colour, points, isDashed }] of series.entries()) {
    const path = points.map(([x, y]) => `${round(atX(x))},${round(atY(y))}`).join(' ')
    const dash = isDashed === true ? ' stroke-dasharray="6 4"' : ''
    lines.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`)
    lines.push(`<rect x="${LEFT + 12}" y="${TOP + 4 + at * 18}" width="18" height="4" fill="${colour}"/>`)
    lines.push(text({ x: LEFT + 36, y: TOP + 10 + at * 18, anchor: 'start' }, name))
  }
  return `${[...lines, '</svg>'].join('\n')}\n`
}

function text({ x, y, anchor }: { x: number; y: number; anchor: 'start' | 'middle' | 'end' }, content: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`
}

const escaped = (content: string): string => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const round = (value: number): number => Math.round(value * 100) / 100

/** The next of 1, 2, 5, 10, 20, … that five ticks go into. */
function niceAbove(value: number): number {
  const scale = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 2.5, 5, 10].map((step) => step * scale).find((step) => step >= value) ?? value
}
