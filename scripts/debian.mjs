// Debian packages the tests need. Only Node's own modules.
import { spawnSync } from 'node:child_process'
import { isOnPath } from './install.mjs'

/** program → the package it comes in, and what is tested with it. */
const needed = [
  { program: 'git', package: 'git', tests: 'every test that pushes' },
  { program: 'caddy', package: 'caddy', tests: 'src/e2e/caddy.test.ts' },
  { program: 'chromium', package: 'chromium', tests: 'src/e2e/browser' },
  { program: 'sshd', package: 'openssh-server', tests: 'src/git/remote-fetch.test.ts' },
  { program: 'systemd-analyze', package: 'systemd', tests: 'src/cli/service' },
  { program: 'unshare', package: 'util-linux', tests: 'builds in a process namespace of their own' },
]

/**
 * Installs what is missing where that is allowed (root, apt-get). Where it is not, says which tests will fail:
 * a test that cannot run is a failed one, never a skipped one.
 */
export function installTestPackages() {
  const missing = () =>
    needed.filter(({ program }) => !isOnPath(program) && !isOnPath(`/usr/sbin/${program}`))
  const before = missing()
  if (before.length === 0) return
  if (process.getuid?.() === 0 && isOnPath('apt-get')) aptInstall(before.map((one) => one.package))
  for (const { program, package: name, tests } of missing()) {
    console.error(
      `${program} is missing, so these tests will FAIL: ${tests}. Install it: apt-get install -y ${name}`,
    )
  }
}

function aptInstall(packages) {
  console.log(`apt-get install ${packages.join(' ')}`)
  // SYSTEMD_OFFLINE: the programs are wanted, not the services their packages would start.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' }
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 'ignore', 'inherit'], env })
  apt('update')
  apt('install', '-y', '--no-install-recommends', ...packages)
}
