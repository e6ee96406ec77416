import { Refusal } from '../domain/refusal.ts'

/** Refuses with `missing_env` where config vars that the app file names are not set, before anything is run. */
export function requireVars(names: readonly string[], vars: Readonly<Record<string, string>>): void {
  const missing = [...new Set(names)].filter((name) => !Object.hasOwn(vars, name))
  if (missing.length === 0) return
  const which = missing.length === 1 ? 'the config var' : 'the config vars'
  const are = missing.length === 1 ? 'is' : 'are'
  throw new Refusal(
    'missing_env',
    `${which} ${missing.join(', ')} ${are} not set, and nodepilot.json asks for it`,
    {
      hint: `set it: nodepilot config set ${missing.map((name) => `${name}=…`).join(' ')}`,
    },
  )
}
