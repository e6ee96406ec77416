import type { Background, Report } from './context.ts'

export function createBackground(report: Report): Background {
  const running = new Set<Promise<void>>()
  return {
    run(what, work) {
      const task: Promise<void> = work()
        .catch((error: unknown) => report.error(`${what} failed`, error))
        .finally(() => running.delete(task))
      running.add(task)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
