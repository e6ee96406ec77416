import { runtimeSuite } from '../runtime.suite.ts'
import { openPm2Lab } from './lab.suite.ts'

runtimeSuite('PM2', async () => {
  const lab = await openPm2Lab()
  return {
    runtime: lab.runtime,
    group: (project, overrides) => lab.group(project, 'sleep 600', overrides),
    kill: async (ref, index) => {
      const running = await lab.runtime.list(ref.project)
      const pid = running.find((instance) => instance.index === index)?.pid
      if (pid) process.kill(pid, 'SIGKILL')
    },
    close: lab.close,
  }
})
