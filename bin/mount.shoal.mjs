#!/usr/bin/env node
// What mount(8) runs for the type "shoal", from /etc/fstab too: `mount.shoal VOLUME DIR [-fnsv] [-o OPTIONS]`.
import { runPinned } from './run-pinned.mjs'

const args = process.argv.slice(2)
// Fake: all but the mount itself.
if (!args.some((arg) => /^-[nsv]*f[nsv]*$/.test(arg))) await runPinned('src/main.ts', ['mount', ...args])
