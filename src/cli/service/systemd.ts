import { existsSync } from 'node:fs'
import { Refusal } from '../../engine/domain/refusal.ts'
import { run } from '../../engine/shell.ts'

/** Refuses where systemd does not run this machine, sd_booted(3). */
export async function requireSystemd(): Promise<void> {
  if (existsSync('/run/systemd/system')) return
  throw new Refusal('unavailable', 'this machine is not run by systemd', {
    hint: 'let its own supervisor run: nodepilot serve',
  })
}

/** Whether the unit runs. */
export async function active(unit: string): Promise<boolean> {
  return (await systemctl('is-active', '--quiet', unit)).code === 0
}

/** How often it has been started again by itself since `enable`. */
export async function restarts(unit: string): Promise<number> {
  const { tail } = await systemctl('show', '--property=NRestarts', '--value', unit)
  return Number(tail[0] ?? 0)
}

/** Systemd reads its units again. */
export async function reload(): Promise<void> {
  must(await systemctl('daemon-reload'), 'systemctl daemon-reload')
}

/** From now on with the machine, and at once; what runs is started anew. */
export async function enable(unit: string): Promise<void> {
  must(await systemctl('enable', '--quiet', unit), `systemctl enable ${unit}`)
  must(await systemctl('restart', unit), `systemctl restart ${unit}`)
}

/** Ends it, and never starts it again by itself. */
export async function disable(unit: string): Promise<void> {
  must(await systemctl('disable', '--quiet', '--now', unit), `systemctl disable --now ${unit}`)
}

function systemctl(...args: readonly string[]) {
  return run({ file: 'systemctl', args, cwd: '/', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
}

function must({ code, tail }: Awaited<ReturnType<typeof systemctl>>, command: string): void {
  if (code === 0) return
  throw new Refusal('unavailable', `${command} failed`, { lines: tail, hint: tail.at(-1) ?? command })
}
