import { quote } from './pm2/launch.ts'

export interface KeeperScript {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Where it says who it is: its pid and `facts`. */
  readonly file: string
  /** JSON without the closing brace's company: what is known of the program besides. */
  readonly facts: Readonly<Record<string, string | number>>
  /** How often it has started the program again. */
  readonly restartsFile: string
  /** The script's own path: a new text of it is taken up with SIGHUP. */
  readonly path: string
}

/**
 * The keeper is a shell, because one waits for a process in 1.6 MB where Node takes 40. It starts the program, and
 * again whenever it ends: after 0.1 s, or 1 s where it ended at once many times. Descriptor 3 is the listening
 * socket, open here too, so that connections wait while the program is away instead of being refused. SIGTERM ends
 * both; SIGHUP starts the program as the new script says while the old one finishes.
 */
export function keeperScript({ argv, cwd, env, file, facts, restartsFile, path }: KeeperScript): string {
  const known = JSON.stringify(facts).slice(1)
  return `umask 077
cd ${quote(cwd)} || exit 1
${Object.entries(env)
  .map(([key, value]) => `export ${key}=${quote(value)}`)
  .join('\n')}
child= ending= renewing= restarts=0 short=0
pass_on() { [ -z "$child" ] || kill -TERM "$child" 2>/dev/null; }
# the socket is given up at once: somebody else may want the address
trap 'ending=yes; exec 3>&-; pass_on' TERM INT
trap 'renewing=yes; pass_on' HUP
printf '{"pid":%s,%s\\n' "$$" ${quote(known)} >${quote(`${file}.new`)} && mv ${quote(`${file}.new`)} ${quote(file)}
echo 0 >${quote(restartsFile)}
while [ -z "$ending" ]; do
  began=$(date +%s)
  ${argv.map(quote).join(' ')} </dev/null &
  child=$!
  [ -z "$ending$renewing" ] || pass_on
  # a signal ends the wait, not the child
  while kill -0 "$child" 2>/dev/null; do
    [ -z "$renewing" ] || exec /bin/sh ${quote(path)}
    wait "$child"
  done
  child=
  [ -z "$ending" ] || break
  [ -z "$renewing" ] || exec /bin/sh ${quote(path)}
  restarts=$((restarts + 1))
  echo "$restarts" >${quote(restartsFile)}
  if [ $(($(date +%s) - began)) -lt 5 ]; then short=$((short + 1)); else short=0; fi
  if [ "$short" -gt 10 ]; then sleep 1; else sleep 0.1; fi
done
`
}
