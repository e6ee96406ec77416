import type { Context } from '../context.ts'
import type { Work } from './deploy.ts'

/**
 * A deployment's place among the builds of this machine: what costs the machine most is done by a few at a time.
 * It is taken before the first thing that is heavy and kept until the slug is made, so that who installs and
 * builds nothing waits for nobody. The release phase, boot and health are outside: a migration waits for its database
 * more than it computes, and must neither wait for somebody's build nor keep one waiting while it does; a rollback
 * must never wait at all. (The limits of a build bind the release phase all the same.)
 */
export interface BuildPlace {
  /** Waits for the place and says so; at once where it is held already. Rejects as the work's signal says. */
  enter(): Promise<void>
}

/** Whatever place `make` takes is free again when it has ended. */
export async function inBuildPlace<T>(
  ctx: Context,
  work: Work,
  make: (place: BuildPlace) => Promise<T>,
): Promise<T> {
  let held = false
  let leave = () => {}
  const enter = async () => {
    if (held) return
    leave = await takePlace(ctx, work)
    held = true
  }
  try {
    return await make({ enter })
  } finally {
    leave()
  }
}

async function takePlace(ctx: Context, { waiting, signal, ticket }: Work): Promise<() => void> {
  try {
    return await ctx.builds.enter({
      ticket: ticket(),
      signal,
      onWait: (before) =>
        waiting.for(
          before === 1 ? 'another build on this machine' : `${before} other builds on this machine`,
        ),
    })
  } finally {
    waiting.over()
  }
}
