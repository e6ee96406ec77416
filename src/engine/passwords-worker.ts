import { parentPort, workerData } from 'node:worker_threads'
import bcrypt from 'bcryptjs'
import type { PasswordAnswer, PasswordJob } from './passwords.ts'

const { cost } = workerData as { readonly cost: number }

parentPort?.on('message', async (job: PasswordJob) => {
  const answer = await work(job).then(
    (value): PasswordAnswer => ({ id: job.id, value }),
    (error: Error): PasswordAnswer => ({ id: job.id, error: error.message }),
  )
  parentPort?.postMessage(answer)
})

function work(job: PasswordJob): Promise<string | boolean> {
  return job.kind === 'hash' ? bcrypt.hash(job.password, cost) : bcrypt.compare(job.password, job.hash)
}
