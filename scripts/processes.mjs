// Finds what still runs for a folder. Only Node's own modules; Linux (elsewhere it finds nothing).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Processes whose command line or environment names the folder, or that work in it: `[{ pid, command }]`.
 * Never this process itself.
 */
export function processesOf(folder) {
  const found = []
  for (const name of quietly(() => readdirSync('/proc'), [])) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const commandLine = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '')
    // A zombie has no command line any more.
    if (commandLine === '') continue
    const environment = quietly(() => readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
    const cwd = quietly(() => readlinkSync(`/proc/${pid}/cwd`), '')
    if ([commandLine, environment, cwd].some((text) => mentions(text, folder))) {
      found.push({ pid, command: commandLine.replaceAll('\0', ' ').trim() })
    }
  }
  return found
}

/** Ends what `processesOf` finds, SIGKILL; returns it. */
export function endProcessesOf(folder) {
  const found = processesOf(folder)
  for (const { pid } of found) quietly(() => process.kill(pid, 'SIGKILL'))
  return found
}

/** `/tmp/np-1` is not mentioned by `/tmp/np-12`. */
function mentions(text, folder) {
  for (let at = text.indexOf(folder); at !== -1; at = text.indexOf(folder, at + 1)) {
    if (!/[\w.-]/.test(text[at + folder.length] ?? '')) return true
  }
  return false
}

/** Processes come and go while one looks. */
function quietly(look, otherwise) {
  try {
    return look()
  } catch {
    return otherwise
  }
}
