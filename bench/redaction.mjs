import { randomBytes } from 'node:crypto'
import { createAssembler } from '../dist/engine/app-log/assemble.js'
import { createRedactor, nothingHidden } from '../dist/engine/domain/redact.js'

/**
 * What it costs to keep 50 config vars out of a log: lines a second through the redactor, and through the whole way
 * from a record of the runtime to a line, beside the same way without anything to hide.
 */
const values = Array.from(
  { length: 50 },
  (_, at) => `${['sk_live_', 'https://', 'postgres://u:'][at % 3]}${randomBytes(18).toString('base64')}`,
)
const lines = Array.from({ length: 20_000 }, (_, at) =>
  at % 100 === 0
    ? `request ${at} with ${values[at % 50]} done`
    : `2026-01-01T00:00:00Z GET https://shop.example.com/products/${at}?page=2 200 in ${at % 90} ms "Mozilla/5.0 (X11; Linux)"`,
)
const records = lines.map((line, at) =>
  JSON.stringify({
    message: `${line}\n`,
    timestamp: new Date(1.7e12 + at).toISOString(),
    type: 'out',
    app_name: 'shop/web.1/v1/g1',
  }),
)
const redactor = createRedactor(values)

const rate = (work) => {
  work()
  const began = performance.now()
  for (let round = 0; round < 10; round++) work()
  return (10 * lines.length) / ((performance.now() - began) / 1000)
}
const assembled = (hiding) => () => {
  const assembler = createAssembler('web.1', hiding)
  for (const [at, text] of records.entries()) assembler.push(text, at * 200, (at + 1) * 200)
}
const next = redactor.stream()
const found = {
  'redactor alone, line by line': rate(() => lines.map(redactor.line)),
  'redactor alone, as a stream': rate(() => lines.map(next)),
  'record to line, nothing to hide': rate(assembled(() => nothingHidden)),
  'record to line, 50 config vars': rate(assembled(() => redactor)),
}
for (const [name, perSecond] of Object.entries(found)) {
  console.log(`${name.padEnd(34)} ${Math.round(perSecond).toLocaleString('en').padStart(12)} lines/s`)
}
