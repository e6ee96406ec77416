export interface UnitOptions {
  /** The node that runs it, and `bin/nodepilot`; absolute. */
  readonly node: string
  readonly program: string
  readonly home: string
  readonly user: string
  /** Settings that `<home>/nodepilot.json` may replace, */
  readonly environment: Readonly<Record<string, string>>
  /** and words of `serve` that it may not. */
  readonly flags: readonly string[]
}

/**
 * The systemd unit of the server (systemd.service(5), systemd.exec(5)). Every app is a process of the same unit, so
 * what systemd does by default to the rest of a unit must not happen to them.
 */
export function unitOf({ node, program, home, user, environment, flags }: UnitOptions): string {
  const variables = { ...environment, NODEPILOT_HOME: home, PATH: pathWith(node) }
  return `# Written by: nodepilot service install
[Unit]
Description=NodePilot
Wants=network-online.target
After=network-online.target
# it is never given up
StartLimitIntervalSec=0

[Service]
Type=exec
User=${user}
${Object.entries(variables)
  .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  .join('\n')}
ExecStart=${[node, program, 'serve', ...flags].map(word).join(' ')}
# the server alone ends: apps and the front door go on while it is stopped, upgraded or started again
KillMode=process
# an app that the kernel ends for want of memory takes nobody with it
OOMPolicy=continue
# when it is killed or fails; nodepilot stop ends it for good
Restart=on-failure
RestartSec=1
TimeoutStopSec=40
# of the server and everything it starts
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`
}

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The node that runs the server comes first: its npm is the one that builds use. */
function pathWith(node: string): string {
  const folder = node.slice(0, node.lastIndexOf('/'))
  return systemPath.split(':').includes(folder) ? systemPath : `${folder}:${systemPath}`
}

/** `%` begins a specifier; quotes, backslashes and ends of lines are read as in C. */
function quoted(text: string): string {
  return `"${text.replaceAll('%', '%%').replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`
}

/** A word of a command, where `$` begins a variable too. */
function word(text: string): string {
  return /^[\w./@-]+$/.test(text) ? text : quoted(text).replaceAll('$', '$$$$')
}
