import { type Context, Hono } from 'hono'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, requireSession } from '../session.ts'
import { type FormProblem, readForm, submit } from './form.ts'

const title = 'Sign in a command line'

/** Somebody who is signed in lets a command line in: compare the code, see who asks, approve or deny. */
export function devicePages(services: Services): Hono<Env> {
  const { devices } = services.accounts
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get(paths.device, signedIn, (c) => {
    const code = c.req.query('code') ?? ''
    if (code === '') return ask(c, '', null)
    return submit(
      () => {
        const request = devices.find(code, addressOf(c))
        if (request) return page(c, 'device', { title, stage: 'confirm', request })
        const sentence = 'no command line waits with this code'
        return ask(c, code, { sentence, hint: 'run "nodepilot login" again', fields: {}, status: 404 })
      },
      (problem) => ask(c, code, problem),
    )
  })

  pages.post(paths.device, signedIn, async (c) => {
    const { code = '', answer } = await readForm(c)
    return submit(
      () => {
        const stage = answer === 'approve' ? 'approved' : 'denied'
        if (stage === 'approved') devices.approve(c.get('actor'), code, addressOf(c))
        else devices.deny(c.get('actor'), code, addressOf(c))
        return page(c, 'device', { title, stage })
      },
      (problem) => ask(c, code, problem),
    )
  })

  return pages
}

function ask(c: Context<Env>, code: string, problem: FormProblem | null): Response {
  const data = { title, stage: 'ask', input: { code: code.slice(0, 20) }, problem }
  return page(c, 'device', data, problem?.status ?? 200)
}
