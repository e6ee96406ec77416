import { homedir, userInfo } from 'node:os'
import { Refusal } from '../../engine/domain/refusal.ts'
import { run } from '../../engine/shell.ts'

/** A user of this machine. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** By name, from wherever this machine has its users from; null: who runs this. Refuses with `not_found`. */
export async function accountOf(name: string | null): Promise<Account> {
  const { username, uid, gid } = userInfo()
  if (name === null || name === username) return { name: username, uid, gid, home: homedir() }
  const lines: string[] = []
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  const { code } = await run(
    { file: 'getent', args: ['passwd', '--', name], cwd: '/', env },
    { onLine: (line) => void lines.push(line) },
  )
  const [, , id, group, , home] = lines[0]?.split(':') ?? []
  if (code !== 0 || !home) {
    throw new Refusal('not_found', `there is no user ${name} on this machine`, {
      hint: `useradd --create-home --shell /bin/bash ${name}`,
    })
  }
  return { name, uid: Number(id), gid: Number(group), home }
}
