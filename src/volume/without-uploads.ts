import { ShoalError } from '#foundation/errors.ts'
import type { UploadInfo, UploadPart, Volume, WriteResult } from './volume.ts'

type Uploads = Pick<Volume, 'beginUpload' | 'findUpload' | 'listUploads' | 'writePart' | 'commitUpload' | 'abortUpload'>

/** A volume that takes files of any length in one request only. */
export class WithoutUploads implements Uploads {
  async beginUpload(): Promise<UploadInfo> {
    throw new ShoalError('UNSUPPORTED', 'An eventual volume has no upload sessions: write the file in one request')
  }

  async findUpload(): Promise<undefined> {}

  async listUploads(): Promise<{ uploads: readonly UploadInfo[]; next: undefined }> {
    return { uploads: [], next: undefined }
  }

  writePart(): Promise<UploadPart> {
    return noSuchUpload()
  }

  commitUpload(): Promise<WriteResult> {
    return noSuchUpload()
  }

  abortUpload(): Promise<void> {
    return noSuchUpload()
  }
}

async function noSuchUpload(): Promise<never> {
  throw new ShoalError('UPLOAD_NOT_FOUND', 'There are no upload sessions on an eventual volume')
}
