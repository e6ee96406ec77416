import { z } from 'zod'
import { deviceIntervalMs } from '../../engine/use-cases/device.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import { addressOf, sessionOf, signSession } from '../session.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'
import { deviceRequest } from './shapes-accounts.ts'

const tag = 'Accounts'

/** Signing in a command line in the browser, after the model of RFC 8628. */
export function deviceApi({ accounts, addresses, jwtKey }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: paths.api.device,
      tag,
      summary: 'Ask to be let in: show the code and the address to a person',
      access: 'anyone',
      body: schemas.deviceRequest,
      example: { body: { name: 'laptop' } },
      answers: { 200: { description: 'ask with `deviceCode` every `intervalMs`', schema: deviceRequest } },
      handler({ c, body }) {
        const userAgent = c.req.header('user-agent') ?? ''
        const asked = accounts.devices.ask({ name: body.name, address: addressOf(c), userAgent })
        const url = `${addresses.panel()}${paths.device}?code=${asked.userCode}`
        return c.json({ ...asked, url, intervalMs: deviceIntervalMs })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.deviceToken,
      tag,
      summary: 'Ask whether somebody has answered',
      access: 'anyone',
      body: schemas.deviceToken,
      answers: {
        200: { description: 'let in: a session of 90 days, handed out once', schema: shapes.session },
        202: {
          description: 'nobody has answered yet',
          schema: z.strictObject({ status: z.literal('pending') }),
        },
        403: { description: 'denied', schema: shapes.problem },
        404: { description: 'unknown, expired, or handed out already', schema: shapes.problem },
      },
      async handler({ c, body }) {
        const begun = accounts.devices.collect(body.deviceCode)
        if (begun === null) return c.json({ status: 'pending' }, 202)
        const token = await signSession(jwtKey, sessionOf(begun), Date.now())
        const { id, username, role } = begun.user
        return c.json({ token, expiresAt: begun.expiresAt.toISOString(), user: { id, username, role } })
      },
    }),
  ]
}
