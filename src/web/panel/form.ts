import type { Context } from 'hono'
import { Refusal } from '../../engine/domain/refusal.ts'
import { statusFor } from '../errors.ts'
import { readText } from '../input.ts'
import type { Env } from '../services.ts'

/** What a form sent, by name; of two with one name the last counts. */
export type FormFields = Readonly<Record<string, string | undefined>>

/** An expected "no", as the page with the form says it. */
export interface FormProblem {
  readonly sentence: string
  readonly hint: string | null
  /** What is wrong with which field. */
  readonly fields: Readonly<Record<string, string>>
  readonly status: 400 | 403 | 404 | 409 | 413 | 415 | 422 | 429 | 503 | 507
}

/** The fields of a plain form. Refuses with `malformed`, `too_large` (1 MB) or `unsupported_media_type`. */
export async function readForm(c: Context<Env>): Promise<FormFields> {
  const text = await readText(c)
  const type = c.req.header('content-type') ?? ''
  if (text !== '' && !/^application\/x-www-form-urlencoded\b/i.test(type)) {
    throw new Refusal('unsupported_media_type', 'this form must be sent as a browser does')
  }
  return Object.fromEntries(new URLSearchParams(text))
}

/** Does what the form asks for. An expected "no" is answered by the page with the form, which keeps the input. */
export async function submit(
  work: () => Response | Promise<Response>,
  again: (problem: FormProblem) => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return again(problemOf(error))
  }
}

function problemOf(refusal: Refusal): FormProblem {
  return {
    sentence: refusal.message,
    hint: refusal.hint ?? null,
    fields: Object.fromEntries(refusal.fields.map(({ field, message }) => [field, message])),
    status: statusFor(refusal) as FormProblem['status'],
  }
}
