import { TREE_TIMEOUT_MS, jsonBody, volumePath } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'
import type { UploadCalls } from './upload.ts'
import type { RemotePart } from './wire.ts'

/** The calls of upload sessions for one path. */
export function uploadCalls(send: SendJson, volume: string, path: string): UploadCalls {
  const uploads = `${volumePath(volume)}/uploads`
  return {
    begin: ({ signal, ...settings }) => {
      const { mode, mtime, ifMatch, ifNoneMatch, parents = true } = settings
      const body = jsonBody({ path, mode, mtime, ifMatch, ifNoneMatch, parents })
      return send({ method: 'POST', path: uploads, ...body, signal })
    },
    find: (id) => send({ method: 'GET', path: `${uploads}/${encodeURIComponent(id)}` }),
    writePart: (id, { number, sizeBytes, open, signal }) =>
      send<RemotePart>({
        method: 'PUT',
        path: `${uploads}/${encodeURIComponent(id)}/parts/${number}`,
        headers: { 'content-length': String(sizeBytes) },
        body: open,
        signal,
      }),
    takePart: (id, { number, pieces }) =>
      send<RemotePart>({
        method: 'POST',
        path: `${uploads}/${encodeURIComponent(id)}/parts/${number}/take`,
        ...jsonBody({ pieces }),
        idempotent: true,
      }),
    commit: (id, sizeBytes) =>
      send({
        method: 'POST',
        path: `${uploads}/${encodeURIComponent(id)}/commit`,
        ...jsonBody({ size: sizeBytes }),
        silenceTimeoutMs: TREE_TIMEOUT_MS,
      }),
  }
}
