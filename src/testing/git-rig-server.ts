import { GitRig } from './git-rig.ts'

/**
 * A rig in a process of its own, for tests that measure or kill the server. Prints its root and port as
 * JSON; `wait` as argument makes its pre-receive never answer.
 */
const wait = process.argv.includes('wait')
const rig = await new GitRig({
  receiver: {
    preReceive: async (push) => {
      push.say('hello from the server')
      if (wait) await new Promise(() => {})
      return true
    },
  },
}).listen()
process.stdout.write(`${JSON.stringify({ root: rig.root, port: rig.port })}\n`)
