import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainNpm } from './npm.ts'

const explain = (
  text: string,
  exit: { code: number | null; signal: NodeJS.Signals | null } = { code: 1, signal: null },
) => explainNpm({ command: 'ci' }, exit, text.split('\n'))

/** npm's words (npm 10 and 11, without the leading "npm error") and the sentence that people read. */
const cases: readonly [name: string, text: string, sentence: string][] = [
  [
    'a version that does not exist is named',
    'code ETARGET\nnotarget No matching version found for left-pad@99.99.99.\nnotarget In most cases you or one of',
    'no matching version found for left-pad@99.99.99',
  ],
  [
    'a package that does not exist is named',
    "code E404\n404 Not Found - GET https://registry.example.org/left-padx - Not found\n404\n404  'left-padx@^1.0.0' is not in this registry.",
    'the npm registry has no package left-padx@^1.0.0',
  ],
  [
    'a scoped package is named from its address',
    'code E404\n404 Not Found - GET https://registry.example.org/@acme%2fsecret - Not found',
    'the npm registry has no package @acme/secret',
  ],
  [
    'a lockfile out of step is named',
    'code EUSAGE\n\n`npm ci` can only install packages when\nMissing: other@1.0.0 from lock file',
    'package.json and package-lock.json do not match',
  ],
  [
    'a registry out of reach is named',
    'code EAI_AGAIN\nerrno EAI_AGAIN\nrequest to https://registry.example.org/a failed, reason: getaddrinfo EAI_AGAIN',
    'the npm registry cannot be reached (EAI_AGAIN)',
  ],
  [
    'a dependency whose install script failed is named with it',
    'code 1\npath /home/cache/modules/.new-1/tree/node_modules/@acme/bad\ncommand failed\ncommand sh -c node build.js\nboom',
    'the install script of @acme/bad failed: node build.js',
  ],
  [
    'a package that needs another Node is named',
    'code EBADENGINE\nengine Unsupported engine\nnotsup Not compatible with your version of node/npm: vite@8.0.0\nnotsup Required: {"node":">=22"}',
    'vite@8.0.0 does not work with this version of Node',
  ],
  [
    'versions that exclude each other are a sentence',
    'code ERESOLVE\nERESOLVE could not resolve\n\nWhile resolving: a@1.0.0',
    'the versions that packages ask for exclude each other',
  ],
  [
    'anything else is quoted',
    'code EWEIRD\nsomething odd happened',
    'npm ci exited with code 1: something odd happened',
  ],
]

for (const [name, text, sentence] of cases) {
  test(name, () => {
    const refusal = explain(text)
    assert.equal(refusal.code, 'install_failed')
    assert.equal(refusal.message, sentence)
    assert.ok(refusal.hint)
  })
}

test('a full disk and a killed npm have codes of their own', () => {
  assert.equal(explain('code ENOSPC\nnospc ENOSPC: no space left on device, write').code, 'disk_full')
  assert.equal(explain('', { code: null, signal: 'SIGKILL' }).code, 'out_of_memory')
  assert.equal(explain('', { code: 137, signal: null }).code, 'out_of_memory')
})

test('the packages that a lockfile misses are listed', () => {
  const { lines, hint } = explain(
    "code EUSAGE\nMissing: a@1.0.0 from lock file\nInvalid: lock file's b@1.0.0 does not satisfy b@2.0.0",
  )
  assert.deepEqual(lines, [
    'Missing: a@1.0.0 from lock file',
    "Invalid: lock file's b@1.0.0 does not satisfy b@2.0.0",
  ])
  assert.equal(hint, 'run "npm install" and commit package-lock.json')
})
