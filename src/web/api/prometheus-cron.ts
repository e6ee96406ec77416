import type { Family } from '../exposition.ts'
import type { Services } from '../services.ts'

/** Scheduled jobs, for Prometheus: how many runs ended how, and which jobs fail now. */
export function cronFamilies({ engine }: Services): Family[] {
  const ended = engine.cron.lastEnded().flatMap(({ project, runs }) =>
    runs.map(({ job, status, finishedAt }) => ({
      labels: { project: project.name, job },
      status,
      at: Date.parse(finishedAt ?? ''),
    })),
  )
  return [
    {
      name: 'nodepilot_cron_runs_total',
      help: 'Runs of scheduled jobs that have ended since the server was started.',
      type: 'counter',
      samples: engine.cron
        .counts()
        .map(({ project, result, count }) => ({ labels: { project, result }, value: count })),
    },
    {
      name: 'nodepilot_cron_job_failing',
      help: 'Whether the last run of a scheduled job failed.',
      type: 'gauge',
      samples: ended.map(({ labels, status }) => ({ labels, value: status === 'succeeded' ? 0 : 1 })),
    },
    {
      name: 'nodepilot_cron_job_last_end_timestamp_seconds',
      help: 'When the last run of a scheduled job ended.',
      type: 'gauge',
      samples: ended.map(({ labels, at }) => ({ labels, value: at / 1000 })),
    },
  ]
}
