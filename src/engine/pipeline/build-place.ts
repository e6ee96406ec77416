import type { Context } from '../context.ts'
import type { Work } from './deploy.ts'

/**
 * The part of a deployment that costs the machine most, one of a few at a time. Boot and health are outside: they
 * are short, and a rollback must never wait for somebody's build.
 */
export async function inBuildPlace<T>(ctx: Context, work: Work, build: () => Promise<T>): Promise<T> {
  const { waiting, signal, ticket } = work
  let leave = () => {}
  try {
    leave = await ctx.builds.enter({
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
  try {
    return await build()
  } finally {
    leave()
  }
}
