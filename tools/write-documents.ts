import { readFileSync, writeFileSync } from 'node:fs'
import { WRITTEN_PARTS, withPart } from './documents.ts'

for (const part of WRITTEN_PARTS) writeFileSync(part.document, withPart(readFileSync(part.document, 'utf8'), part))
