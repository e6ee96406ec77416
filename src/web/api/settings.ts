import type { z } from 'zod'
import { defaults } from '../../engine/domain/app-fields.ts'
import { settingNames } from '../../engine/domain/settings.ts'
import type { ProjectChange } from '../../engine/store/projects.ts'
import type { changeProject } from './schemas.ts'

/** The API and the panel's form name all settings side by side; the store keeps some in columns of their own. */
export function toChange(body: z.infer<typeof changeProject>): ProjectChange {
  const named = Object.entries(withDefaults(body))
  const isSetting = ([name]: [string, unknown]) => (settingNames as readonly string[]).includes(name)
  const settings = Object.fromEntries(named.filter(isSetting))
  const columns = Object.fromEntries(named.filter((entry) => !isSetting(entry)))
  return Object.keys(settings).length === 0 ? columns : { ...columns, settings }
}

/** The column has no value for "not set": the default stands for it. */
function withDefaults(body: z.infer<typeof changeProject>) {
  return body.bootTimeoutMs === null ? { ...body, bootTimeoutMs: defaults.bootTimeoutMs } : body
}
