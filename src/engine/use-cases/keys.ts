import type { Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'

export type KeyCases = ReturnType<typeof createKeyCases>

/** The keys that config vars are sealed with. */
export function createKeyCases(ctx: Context) {
  let rotating = false
  return {
    /**
     * A new key seals every config var anew; older ones stay, for older backups. Resolves to the number of projects
     * and releases it was done for. Refuses with `conflict` while one is under way.
     */
    async rotate(who: Who): Promise<number> {
      if (rotating) {
        throw new Refusal('conflict', 'a new key is sealing the config vars already', {
          hint: 'try again when it is done',
        })
      }
      rotating = true
      try {
        const sealed = await ctx.keys.rotate()
        ctx.audit({ who, action: 'key.rotate', after: { sealed } })
        return sealed
      } finally {
        rotating = false
      }
    },
  }
}
