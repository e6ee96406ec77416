import type { Context } from 'hono'
import type { Env } from '../services.ts'

/** What a page says after something was done. The address carries only the key, never the words. */
const sentences: Readonly<Record<string, string>> = {
  started: 'The project is running again.',
  stopped: 'The project is stopped: visitors get a 503 page until it is started.',
  restarted: 'The project was restarted without downtime.',
  'maintenance-on': 'In maintenance: visitors get a 503 page until you end it. Deploys go on.',
  'maintenance-off': 'Maintenance has ended: visitors come in again.',
  scaled: 'The processes run as asked.',
  'env-stored': 'Stored. It takes effect with the next deploy, or when you apply it.',
  'env-applied': 'Applied: the project runs with the new values.',
  'env-kept': 'Nothing to change: the values were like that already.',
}

export function doneSentence(c: Context<Env>): string | undefined {
  const key = c.req.query('done') ?? ''
  return Object.hasOwn(sentences, key) ? sentences[key] : undefined
}
