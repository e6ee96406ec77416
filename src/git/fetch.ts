import { Refusal } from '../engine/domain/refusal.ts'
import { feed, openBody } from './body.ts'
import { Exchange } from './exchange.ts'
import { flush, packet } from './pkt-line.ts'
import { conclude, type GitRequest, type ServeSettings, serviceRequest } from './request.ts'
import { serviceCommand, speaksVersion2 } from './service.ts'

/** Bytes of a request to `git-upload-pack`, which only names what is wanted and what is there already. */
const longestRequest = 64 * 1024 * 1024

/** Answers `info/refs`, the beginning of every fetch and push. */
export async function serveAdvertisement(
  settings: ServeSettings,
  request: GitRequest<unknown>,
): Promise<void> {
  const { req, res, idle, route } = request
  const service = serviceRequest(settings, request)
  const serviceLine = Buffer.concat([packet(`# service=git-${route.service}\n`), Buffer.from(flush)])
  const exchange = new Exchange({
    res,
    idle,
    command: serviceCommand(service),
    contentType: `application/x-git-${route.service}-advertisement`,
    ...(speaksVersion2(route.service, service.protocol) ? {} : { prelude: serviceLine }),
    feed: async (stdin) => {
      req.resume()
      stdin.end()
    },
  })
  conclude(settings, request, await exchange.run())
}

/** Answers a POST to `git-upload-pack`: a clone, a fetch, or a question of protocol version 2. */
export async function serveFetch(settings: ServeSettings, request: GitRequest<unknown>): Promise<void> {
  const { req, res, idle } = request
  const body = openBody(req, () => idle.touch())
  const exchange = new Exchange({
    res,
    idle,
    command: serviceCommand(serviceRequest(settings, request)),
    contentType: 'application/x-git-upload-pack-result',
    feed: (stdin) => feed(Buffer.alloc(0), body, stdin, { maxBytes: longestRequest, tooLarge }),
  })
  conclude(settings, request, await exchange.run())
}

function tooLarge(): Refusal {
  return new Refusal('too_large', 'this request for objects is too large')
}
