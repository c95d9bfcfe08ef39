import { S3Error } from '../s3-error.ts'

/** S3's limit for everything before the file. */
const MAX_PREFACE_BYTES = 20 * 1024
/** Names and values of a form that a person or a program would send. */
const MAX_FIELDS = 100

/** One part of a form. */
interface PartHead {
  /** In lower case. */
  readonly name: string
  /** As given; without a path that a browser may put before it. */
  readonly fileName: string | undefined
}

/** A form in `multipart/form-data` (RFC 7578) whose file comes last: the fields are read whole, the file is a stream. */
export class FormReader {
  readonly #source: AsyncIterator<Buffer>
  readonly #delimiter: Buffer
  #rest: Buffer
  #prefaceBytes = 0
  #ended = false

  constructor(source: AsyncIterable<Buffer>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    // The first boundary may stand at the very beginning.
    this.#rest = Buffer.from('\r\n')
  }

  /** The fields before the part `file`, by name in lower case, as bytes; then `file` can be read.
   *  @throws MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument for a field given twice,
   *  IncorrectNumberOfFilesInPostRequest if there is no file */
  async readFields(): Promise<{ readonly fields: ReadonlyMap<string, Buffer>; readonly fileName: string }> {
    const fields = new Map<string, Buffer>()
    await this.#readUntil(this.#delimiter)
    for (;;) {
      const line = (await this.#readUntil(CRLF)).toString('latin1')
      if (line.startsWith('--'))
        throw new S3Error(
          'IncorrectNumberOfFilesInPostRequest',
          'POST requires exactly one file upload per request: there is no field "file"',
        )
      const { name, fileName } = parseHead((await this.#readUntil(HEAD_END, true)).toString('utf8'))
      if (name === 'file') return { fields, fileName: fileName ?? '' }
      if (fields.has(name))
        throw new S3Error('InvalidArgument', `The form has the field "${name.slice(0, 80)}" more than once`, {
          elements: { ArgumentName: name.slice(0, 80) },
        })
      fields.set(name, await this.#readUntil(this.#delimiter))
      if (fields.size > MAX_FIELDS) throw new S3Error('MalformedPOSTRequest', `The form has more than ${MAX_FIELDS} fields`)
    }
  }

  /** The file's bytes, to its boundary. @throws IncompleteBody if the form ends before */
  async *readFile(): AsyncGenerator<Buffer> {
    for (;;) {
      const end = this.#rest.indexOf(this.#delimiter)
      if (end !== -1) {
        if (end > 0) yield this.#rest.subarray(0, end)
        this.#rest = this.#rest.subarray(end + this.#delimiter.length)
        break
      }
      // What may be the beginning of the boundary waits for what follows.
      const sure = this.#rest.length - this.#delimiter.length + 1
      if (sure > 0) {
        yield this.#rest.subarray(0, sure)
        this.#rest = this.#rest.subarray(sure)
      }
      if (!(await this.#more())) throw incomplete()
    }
    // Fields behind the file are passed over, as S3 does.
    while (!this.#ended) {
      this.#rest = EMPTY
      await this.#more()
    }
  }

  /** The bytes before `mark`, which is passed over. `overlaps`: the mark may begin with the line end before. */
  async #readUntil(mark: Buffer, overlaps = false): Promise<Buffer> {
    // Headers may be none at all: the line end of the boundary is then the first half of the mark.
    if (overlaps) this.#rest = Buffer.concat([CRLF, this.#rest])
    for (let from = 0; ;) {
      if (this.#rest.length > 0) {
        const at = this.#rest.indexOf(mark, from)
        if (at !== -1) {
          const found = this.#rest.subarray(0, at)
          this.#rest = this.#rest.subarray(at + mark.length)
          this.#prefaceBytes += at + mark.length
          if (this.#prefaceBytes > MAX_PREFACE_BYTES) throw tooLong()
          return found
        }
      }
      if (this.#prefaceBytes + this.#rest.length > MAX_PREFACE_BYTES + mark.length) throw tooLong()
      from = Math.max(0, this.#rest.length - mark.length + 1)
      if (!(await this.#more())) throw incomplete()
    }
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done === true) {
      this.#ended = true
      return false
    }
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value])
    return true
  }
}

const EMPTY = Buffer.alloc(0)
const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

/** The boundary of a form, or `undefined` for another kind of body. @throws MalformedPOSTRequest */
export function formBoundary(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^multipart\/form-data\s*(;|$)/i.test(contentType)) return undefined
  const match = /;\s*boundary=(?:"([^"]*)"|([^\s;]*))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2] ?? ''
  // RFC 2046, section 5.1.1.
  if (!/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary))
    throw new S3Error(
      'MalformedPOSTRequest',
      'The body of your POST request is not well-formed: Content-Type has no boundary of 1 to 70 characters',
    )
  return boundary
}

function parseHead(text: string): PartHead {
  const line = text.split('\r\n').find((each) => /^content-disposition:/i.test(each)) ?? ''
  if (!/^content-disposition:\s*form-data\s*;/i.test(line))
    throw new S3Error(
      'MalformedPOSTRequest',
      'The body of your POST request is not well-formed: a part has no "Content-Disposition: form-data"',
    )
  const name = parameter(line, 'name')
  if (name === undefined || name === '')
    throw new S3Error('MalformedPOSTRequest', 'The body of your POST request is not well-formed: a part has no name')
  return { name: name.toLowerCase(), fileName: parameter(line, 'filename')?.replace(/^.*[/\\]/s, '') }
}

/** Browsers write `%22`, `%0D` and `%0A` for what would end the value (WHATWG HTML, "multipart/form-data"), others a backslash. */
function parameter(line: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(line)
  const value = match?.[1] ?? match?.[2]
  return value?.replace(/\\(["\\])/g, '$1').replace(/%22/g, '"')
}

function tooLong(): S3Error {
  return new S3Error(
    'MaxPostPreDataLengthExceeded',
    `Your POST request fields preceding the upload file were too large: ${MAX_PREFACE_BYTES} bytes are allowed`,
  )
}

function incomplete(): S3Error {
  return new S3Error('IncompleteBody', 'The form ended before its last boundary')
}
