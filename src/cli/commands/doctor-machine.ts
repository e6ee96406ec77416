import type { Api } from '../client/api.ts'
import { Failure } from '../client/failure.ts'
import { boolean, listOf, number, object, type Read, read, text } from '../client/shape.ts'
import { bytes } from '../client/words.ts'
import { type Finding, failed } from './finding.ts'

const info = object({
  node: text,
  isolation: object({ processNamespace: boolean, lowPriority: boolean, readOnlyModules: boolean }),
})
const sized = object({ name: text, bytes: number })
const report = object({
  disk: object({ totalBytes: number, freeBytes: number, minFreeBytes: number }),
  projects: listOf(sized),
  parts: listOf(sized),
})

/** The machine of the server: its Node, its disk, and what keeps builds apart. Only who may know it is told. */
export async function machine(api: Api): Promise<Finding[]> {
  try {
    const { node, isolation } = read(info, await api.get('/api/system/info'))
    // the first measurement takes as long as there are files
    const { body } = await api.ask('GET', '/api/system/disk', { timeoutMs: 300_000 })
    return [nodeOf(node), diskOf(read(report, body)), ...isolationOf(isolation)]
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return []
    return [failed('Machine', error)]
  }
}

/** As in package.json. */
const oldest = [20, 19] as const

function nodeOf(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const check = 'Node'
  const says = `${version} on the server`
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return { check, state: 'ok', says }
  const hint = `install Node ${oldest.join('.')} or newer there, then start the server again`
  return { check, state: 'failed', says, hint }
}

const mostNamed = 3

function diskOf({ disk, projects, parts }: Read<typeof report>): Finding {
  const { totalBytes, freeBytes, minFreeBytes } = disk
  const largest = [...projects, ...parts]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, mostNamed)
    .map((one) => `${one.name} ${bytes(one.bytes)}`)
  const room = `${bytes(freeBytes)} of ${bytes(totalBytes)} free, ${bytes(minFreeBytes)} must stay free`
  const says = `${room}; most is used by ${largest.join(', ')}`
  const hint = 'see what uses it: nodepilot disk; clean up: nodepilot disk --clean'
  if (freeBytes <= minFreeBytes)
    return { check: 'Disk', state: 'failed', says: `${says}: no build begins`, hint }
  // a build of a large app takes a gigabyte or two
  const short = freeBytes < minFreeBytes + 2_000_000_000
  return short ? { check: 'Disk', state: 'warning', says, hint } : { check: 'Disk', state: 'ok', says }
}

function isolationOf(isolation: Read<typeof info>['isolation']): Finding[] {
  const { processNamespace, lowPriority, readOnlyModules } = isolation
  const finding = (check: string, is: boolean, good: string, bad: string, hint: string): Finding =>
    is ? { check, state: 'ok', says: good } : { check, state: 'warning', says: bad, hint }
  return [
    finding(
      'Builds',
      processNamespace,
      'in a process namespace of their own: nothing they start outlives them',
      'they share the process namespace of the server: what they leave is looked for and ended',
      'allow unshare: run the server as root, in a container with --cap-add SYS_ADMIN',
    ),
    finding(
      'Priority',
      lowPriority,
      'builds give way to what serves (nice, ionice)',
      'builds run at the same priority as what serves',
      'install nice and ionice: apt-get install coreutils util-linux',
    ),
    finding(
      'Modules',
      readOnlyModules,
      'kept node_modules are shared, and no build or app can write to them',
      'every release has its own copy of node_modules: nothing keeps apps from writing to a shared one',
      'install setpriv: apt-get install util-linux',
    ),
  ]
}
