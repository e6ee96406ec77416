/** Malformed messages from a seed: the same ones with every run, so that what one of them broke can be found. */

export interface Mutations {
  /** A request that was valid before it was changed. */
  request(): Buffer
  /** An answer that was valid before it was changed. */
  answer(): Buffer
  /** The bytes in pieces of random sizes. */
  pieces(bytes: Buffer): Buffer[]
}

export function mutations(seed: number): Mutations {
  const random = randomNumbers(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const one = <T>(list: readonly T[]) => list[below(list.length)] as T
  const mutate = (text: string): Buffer => {
    let bytes = text
    for (let n = 1 + below(3); n > 0; n--) bytes = one(changes)(bytes, below, one)
    return Buffer.from(bytes, 'latin1')
  }
  return {
    request: () => mutate(one(requests)),
    answer: () => mutate(one(answers)),
    pieces(bytes) {
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const size = below(4) === 0 ? 1 + below(8) : 1 + below(bytes.length)
        pieces.push(bytes.subarray(at, at + size))
        at += size
      }
      return pieces
    },
  }
}

type Below = (limit: number) => number
type One = <T>(list: readonly T[]) => T

const poison = [
  ...[
    '\0',
    '\n',
    '\r',
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    '\t',
    ' ',
    ':',
    ': ',
    ',',
    ';',
    '"',
    '\x7f',
    '\xff',
    '\x0b',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: -1\r\n',
    'Content-Length: 1e9\r\n',
    'Content-Length: 5, 5\r\n',
  ],
  ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: xchunked\r\n', 'Transfer-Encoding : chunked\r\n'],
  ...[
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding:\x0bchunked\r\n',
    'Host: other.localhost\r\n',
  ],
  ...[
    'Connection: Upgrade\r\nUpgrade: websocket\r\n',
    'Connection: close, Host\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...['HTTP/1.1', 'HTTP/9.9', 'HTTP/1.0', '0\r\n\r\n', 'ffffffffffffffff\r\n', '5;x=y\r\n', ' folded: 1\r\n'],
  ...[
    'GET /smuggled HTTP/1.1\r\nHost: shop.localhost\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    '%0d%0a',
    '../',
  ],
]

const changes: readonly ((text: string, below: Below, one: One) => string)[] = [
  (text, below, one) => splice(text, below(text.length + 1), 0, one(poison)),
  (text, below, one) => splice(text, below(text.length), 1, one(poison)),
  (text, below) => splice(text, below(text.length), 1, String.fromCharCode(below(256))),
  (text, below) => splice(text, below(text.length), 1 + below(10), ''),
  (text, below) => text.slice(0, below(text.length + 1)),
  (text, below) => text + text.slice(below(text.length)),
  (text) => text.replaceAll('\r\n', '\n'),
  (text, below) => splice(text, below(text.length), 0, 'A'.repeat(below(40_000))),
  (text, below) => splice(text, text.indexOf('\r\n') + 2, 0, 'X: 1\r\n'.repeat(below(600))),
  (text, below, one) => {
    const lines = text.split('\r\n')
    lines.splice(below(lines.length), 0, one(lines))
    return lines.join('\r\n')
  },
  (text, below, one) => {
    const lines = text.split('\r\n')
    lines.splice(below(lines.length), 0, one(poison).replace(/\r\n$/, ''))
    return lines.join('\r\n')
  },
]

function splice(text: string, at: number, remove: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + remove)
}

const host = 'Host: shop.localhost\r\n'

const requests = [
  `GET / HTTP/1.1\r\n${host}Accept: */*\r\nUser-Agent: x\r\n\r\n`,
  `GET /a?b=c HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`,
  `HEAD http://shop.localhost/x HTTP/1.1\r\n${host}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${host}\r\n`,
  `POST /p HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello`,
  `PUT /p HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nX-T: 1\r\n\r\n`,
  `POST /e HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  `GET /w HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x05hello`,
  `GET /1 HTTP/1.1\r\n${host}\r\nPOST /2 HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\n${host}\r\n`,
  `CONNECT shop.localhost:443 HTTP/1.1\r\n${host}\r\n`,
]

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end',
  'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw',
]

/** mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
