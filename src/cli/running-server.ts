import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Paths } from '../engine/paths.ts'
import { answers } from '../listener.ts'

const serverFile = z.object({ pid: z.number().int().positive(), url: z.string() })

/** The server of this home, or null. A pid alone proves nothing: its socket must answer. */
export async function findServer(paths: Paths): Promise<{ pid: number; url: string } | null> {
  const text = await readFile(paths.serverFile, 'utf8').catch(() => null)
  if (text === null || !(await answers(paths.serverSocket))) return null
  const parsed = serverFile.safeParse(JSON.parse(text))
  return parsed.success ? parsed.data : null
}
