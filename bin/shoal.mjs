#!/usr/bin/env node
import { runPinned } from './run-pinned.mjs'

await runPinned('src/main.ts', process.argv.slice(2))
