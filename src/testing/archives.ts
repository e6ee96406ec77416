import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import type { EntryKind, Source, SourceKind } from '../engine/ports.ts'

/** Sources and archives built by hand, honest or hostile in any field, for tests. */

export interface EntryFixture {
  readonly path: string
  readonly kind?: EntryKind
  readonly mode?: number
  /** Announced length; that of the data unless told otherwise. */
  readonly size?: number | null
  readonly data?: Uint8Array | string | AsyncIterable<Uint8Array>
}

/** A source that sends exactly these entries. */
export function sourceOf(fixtures: Iterable<EntryFixture>, kind: SourceKind = 'git'): Source {
  return {
    kind,
    label: 'test',
    revision: 'test',
    message: null,
    bytes: null,
    async *entries() {
      for (const { path, kind = 'file', mode = 0o644, data = '', size } of fixtures) {
        const streamed = typeof data === 'object' && Symbol.asyncIterator in data
        const whole = streamed ? null : Buffer.from(data as string)
        const body = async function* () {
          if (streamed) yield* data
          else if (whole) yield whole
        }
        yield { path, kind, mode, size: size === undefined ? (whole?.length ?? null) : size, body }
      }
    },
  }
}

/** Everything below a folder: `a.js` → `644 text`, `bin/` → `755`, `link` → `-> target`. */
export async function treeOf(directory: string, below = ''): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const name of (await readdir(join(directory, below))).sort()) {
    const path = below ? `${below}/${name}` : name
    const full = join(directory, path)
    const stats = await lstat(full)
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isSymbolicLink()) tree[path] = `-> ${await readlink(full)}`
    else if (stats.isDirectory()) Object.assign(tree, { [`${path}/`]: mode }, await treeOf(directory, path))
    else tree[path] = `${mode} ${await readFile(full, 'latin1')}`
  }
  return tree
}

export interface ZipFixture {
  /** As in the central directory. */
  readonly name: string | Buffer
  readonly data?: Buffer | string
  /** Unix `st_mode` with its type bits. */
  readonly mode?: number
  /** 0 stored, 8 deflated (default). */
  readonly method?: number
  /** The name in the local header, where it differs. */
  readonly localName?: string
  readonly crc?: number
  readonly flags?: number
  /** Announced length, where it lies. */
  readonly size?: number
  readonly extra?: Buffer
  /** 3 Unix (default), 0 DOS. */
  readonly host?: number
  /** Sizes and offset in a ZIP64 extra field. */
  readonly zip64?: boolean
  /** Points its directory entry to the bytes of an earlier one. */
  readonly sameBytesAs?: number
}

export interface ZipChanges {
  /** The directory's count of entries, where it lies. */
  readonly count?: number
}

/** A ZIP file. */
export function zip(fixtures: readonly ZipFixture[], changes: ZipChanges = {}): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  const offsets: number[] = []
  let offset = 0
  for (const fixture of fixtures) {
    const at = fixture.sameBytesAs === undefined ? offset : (offsets[fixture.sameBytesAs] ?? 0)
    offsets.push(at)
    const { local, central } = zipEntry(fixture, at)
    directory.push(central)
    if (fixture.sameBytesAs !== undefined) continue
    files.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(changes.count ?? fixtures.length, 8)
  end.writeUInt16LE(changes.count ?? fixtures.length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...files, central, end])
}

function zipEntry(fixture: ZipFixture, offset: number): { local: Buffer; central: Buffer } {
  const name = Buffer.from(fixture.name as string)
  const localName = fixture.localName === undefined ? name : Buffer.from(fixture.localName)
  const data = Buffer.from((fixture.data ?? '') as string)
  const folder = name.at(-1) === 0x2f
  const method = fixture.method ?? (folder ? 0 : 8)
  const packed = method === 8 ? deflateRawSync(data) : data
  const crc = fixture.crc ?? crc32(data)
  const size = fixture.size ?? data.length
  const zip64 = fixture.zip64 ? zip64Field(size, packed.length, offset) : Buffer.alloc(0)
  const extra = Buffer.concat([zip64, fixture.extra ?? Buffer.alloc(0)])
  const mode = fixture.mode ?? (folder ? 0o040755 : 0o100644)
  const host = fixture.host ?? 3
  const big = 0xffffffff

  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  local.writeUInt16LE(20, 4)
  local.writeUInt16LE(fixture.flags ?? 0x800, 6)
  local.writeUInt16LE(method, 8)
  local.writeUInt32LE(crc, 14)
  local.writeUInt32LE(packed.length, 18)
  local.writeUInt32LE(size, 22)
  local.writeUInt16LE(localName.length, 26)

  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt16LE((host << 8) | 20, 4)
  central.writeUInt16LE(20, 6)
  central.writeUInt16LE(fixture.flags ?? 0x800, 8)
  central.writeUInt16LE(method, 10)
  central.writeUInt32LE(crc, 16)
  central.writeUInt32LE(fixture.zip64 ? big : packed.length, 20)
  central.writeUInt32LE(fixture.zip64 ? big : size, 24)
  central.writeUInt16LE(name.length, 28)
  central.writeUInt16LE(extra.length, 30)
  central.writeUInt32LE(host === 0 ? 0 : (mode << 16) >>> 0, 38)
  central.writeUInt32LE(fixture.zip64 ? big : offset, 42)
  return {
    local: Buffer.concat([local, localName, packed]),
    central: Buffer.concat([central, name, extra]),
  }
}

function zip64Field(size: number, packed: number, offset: number): Buffer {
  const field = Buffer.alloc(28)
  field.writeUInt16LE(1, 0)
  field.writeUInt16LE(24, 2)
  field.writeBigUInt64LE(BigInt(size), 4)
  field.writeBigUInt64LE(BigInt(packed), 12)
  field.writeBigUInt64LE(BigInt(offset), 20)
  return field
}

export interface TarFixture {
  readonly name: string
  readonly data?: Buffer | string
  readonly mode?: number
  /** The header's type flag: `0` file (default), `5` folder, `2` symbolic link, `1` hard link, `x` PAX … */
  readonly type?: string
  readonly target?: string
  /** Announced length, where it lies. */
  readonly size?: number
}

/** A tar archive (ustar), with its end marker unless told otherwise. */
export function tar(fixtures: readonly TarFixture[], options: { readonly end?: boolean } = {}): Buffer {
  const parts = fixtures.flatMap((fixture) => {
    const data = Buffer.from((fixture.data ?? '') as string)
    return [tarHeader(fixture, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(options.end === false ? 0 : 1024)])
}

function tarHeader(fixture: TarFixture, length: number): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, at: number, width: number) =>
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  header.write(fixture.name, 0, 100, 'utf8')
  octal(fixture.mode ?? 0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(fixture.size ?? length, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148, 'latin1')
  header.write(fixture.type ?? '0', 156, 'latin1')
  header.write(fixture.target ?? '', 157, 100, 'utf8')
  header.write('ustar\u000000', 257, 'latin1')
  let sum = 0
  for (const byte of header) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** The body of a PAX header. */
export function pax(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`
      let length = Buffer.byteLength(rest) + 1
      while (String(length).length + Buffer.byteLength(rest) !== length) length += 1
      return `${length}${rest}`
    })
    .join('')
}
