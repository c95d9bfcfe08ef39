// `node tools/run.mjs NAME …` runs tools/NAME.ts with the pinned Node.
import { runPinned } from '../bin/run-pinned.mjs'

const [name, ...args] = process.argv.slice(2)
await runPinned(`tools/${name}.ts`, args)
