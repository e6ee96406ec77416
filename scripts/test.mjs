// npm test: installs what it needs, builds, runs every test, and looks afterwards that nothing was left behind.
//
//   npm test                                   everything
//   npm test -- pipeline router/table          only test files whose path holds one of these
//   npm test -- --test-name-pattern=symlink    options go to node --test
//   npm test -- --no-build                     dist/ as it is
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from './build.mjs'
import { installTestPackages } from './debian.mjs'
import { install } from './install.mjs'
import { endProcessesOf, processesOf } from './processes.mjs'
import { Failure, root, runAsScript } from './script.mjs'

/** Of a file, and of a test: against what hangs, on machines that stall as well. */
const timeoutMs = 600_000
const concurrency = 2

async function test(args) {
  const options = args.filter((arg) => arg.startsWith('-') && arg !== '--no-build')
  const wanted = args.filter((arg) => !arg.startsWith('-'))
  install()
  installTestPackages()
  if (!args.includes('--no-build')) build()
  const files = testFiles(wanted)
  // The system's own folder, not ours: PM2's sockets lie deep in it and must fit into 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'npt-'))
  try {
    const code = await runTests(files, options, folder)
    const complaints = [...unfinished(join(folder, 'report.tap')), ...(await leftRunning(folder))]
    for (const complaint of complaints) console.error(complaint)
    return code !== 0 || complaints.length > 0 ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

function testFiles(wanted) {
  const dist = join(root, 'dist')
  const all = readdirSync(dist, { recursive: true })
    .filter((file) => file.endsWith('.test.js'))
    .sort(endToEndFirst)
  const parts = wanted.map((part) => part.replace(/^(\.\/)?(src|dist)\//, '').replace(/\.(ts|js)$/, ''))
  const files = parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.includes(part)))
  if (files.length === 0) throw new Failure(`No test file matches ${wanted.join(', ')}.`)
  return files.map((file) => relative(root, join(dist, file)))
}

/** The long ones first: the short ones fill the gaps at the end. */
function endToEndFirst(a, b) {
  return Number(b.startsWith('e2e')) - Number(a.startsWith('e2e')) || a.localeCompare(b)
}

/** Everything the tests make lies in `folder`, so that what they leave can be found. */
function runTests(files, options, folder) {
  const child = spawn(
    process.execPath,
    [
      '--test',
      '--enable-source-maps',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${timeoutMs}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${join(folder, 'report.tap')}`,
      ...options,
      ...files,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, TMPDIR: folder } },
  )
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

/** A skipped test is a promise nobody checked: it counts as broken. */
function unfinished(report) {
  return (
    readFileSync(report, 'utf8')
      .split('\n')
      .filter((line) => /^\s*(not )?ok \d+ .*# (SKIP|TODO)\b/.test(line))
      // Left out on purpose, by --test-name-pattern.
      .filter((line) => !line.endsWith('# SKIP test name does not match pattern'))
      .map((line) => `not run: ${line.trim().replace(/^(not )?ok \d+ - /, '')}`)
  )
}

/** What a test ended may need a moment to go. */
async function leftRunning(folder) {
  for (let tries = 0; tries < 20 && processesOf(folder).length > 0; tries++) await sleep(100)
  return endProcessesOf(folder).map(
    ({ pid, command }) => `left running by a test: ${pid} ${command.slice(0, 200)}`,
  )
}

await runAsScript(import.meta.url, test)
