import { readFileSync, writeFileSync } from 'node:fs'
import { withDiagram } from './architecture/diagram.ts'

const document = readFileSync('ARCHITECTURE.md', 'utf8')
writeFileSync('ARCHITECTURE.md', withDiagram(document))
