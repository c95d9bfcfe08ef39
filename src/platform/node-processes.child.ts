// Starts a program that doesn't end by itself, says its number, and waits to be killed: node-processes.child.ts LEASH PROGRAM ARGUMENT …
import { NodeProcesses } from './node-processes.ts'
import type { Leash } from './node-processes.ts'

const [leash, name = '', ...args] = process.argv.slice(2)
const processes = new NodeProcesses({ leash: leash as Leash })
const program = (await processes.find(name)) as string
const { pid } = await processes.start({ program, args, environment: {}, onErrorLine() {} })
console.log(pid)
