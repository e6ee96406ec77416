import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { EntryFixture } from '../../testing/archives.ts'
import { appFiles, createLab, type Lab, type ProveRequest, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Source } from '../ports.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'

const cancelled = () => new Refusal('cancelled', 'the push was interrupted')

/** A project whose v1 is live, and a second commit to be tried. */
async function withLiveProject(work: (lab: Lab, project: ProjectRow) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    await lab.deploy(await lab.project(), lab.commit(revisionOf('a')))
    await lab.settled()
    await work(lab, lab.engine.projects.get('shop'))
  } finally {
    await lab.close()
  }
}

/** Everything that a failed attempt must not touch. */
async function traceOf(lab: Lab, project: ProjectRow) {
  await lab.settled()
  return {
    answer: await lab.visit('shop.localhost'),
    route: lab.router.route('shop.localhost'),
    processes: (await lab.memory.list()).map(({ release, generation }) => ({ release, generation })),
    rows: lab.store.instances.ofProject(project.id),
    directories: await lab.releasesOnDisk('shop'),
    releases: lab.store.releases.list(project.id).length,
    current: lab.store.projects.find(project.id)?.currentRelease,
    envVars: lab.store.projects.find(project.id)?.envVars,
    status: lab.store.projects.find(project.id)?.status,
  }
}

interface Failure {
  readonly title: string
  readonly code: string
  readonly files?: readonly EntryFixture[]
  /** Sets what goes wrong; `abort` ends the attempt as Ctrl-C does. */
  readonly arrange?: (lab: Lab, abort: () => void) => ProveRequest & { source?: Source }
}

const failures: readonly Failure[] = [
  { title: 'a tree without files', code: 'no_package', files: [] },
  {
    title: 'a hostile tree',
    code: 'rejected_tree',
    files: [...appFiles('x'), { path: '../out', data: 'x' }],
  },
  {
    title: 'a tree over the limit',
    code: 'too_large',
    files: [...appFiles('x'), { path: 'big', data: Buffer.alloc(1_000_001) }],
  },
  { title: 'neither package.json nor page', code: 'no_package', files: [{ path: 'notes.txt', data: 'x' }] },
  { title: 'no start command', code: 'no_start_command', files: [{ path: 'package.json', data: '{}' }] },
  {
    title: 'a failed install',
    code: 'install_failed',
    arrange: (lab) => {
      lab.faults.install = async () => {
        throw new Refusal('install_failed', '"npm ci" exited with code 1')
      }
      return {}
    },
  },
  {
    title: 'a full disk',
    code: 'disk_full',
    arrange: (lab) => {
      lab.faults.install = async () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      }
      return {}
    },
  },
  {
    title: 'a fault of our own',
    code: 'internal',
    arrange: (lab) => {
      lab.faults.install = async () => {
        throw new TypeError('x is not a function')
      }
      return {}
    },
  },
  { title: 'a failed build', code: 'build_failed', files: appFiles('x', { build: 'exit 3' }) },
  {
    title: 'a process manager that cannot start it',
    code: 'internal',
    arrange: (lab) => {
      lab.faults.start = async () => {
        throw new Error('spawn EAGAIN')
      }
      return {}
    },
  },
  {
    title: 'an app that ends while it starts',
    code: 'boot_crashed',
    arrange: (lab) => {
      lab.faults.app = () => ({ does: 'crash', code: 1, says: ["Error: Cannot find module 'koa'"] })
      return {}
    },
  },
  {
    title: 'an app that is killed',
    code: 'out_of_memory',
    arrange: (lab) => {
      lab.faults.app = () => ({ does: 'crash', code: 137, says: ['bye'] })
      return {}
    },
  },
  {
    title: 'an app that listens nowhere',
    code: 'boot_timeout',
    arrange: (lab) => {
      lab.faults.app = () => ({ does: 'stay silent' })
      return {}
    },
  },
  {
    title: 'an app on another port',
    code: 'wrong_port',
    arrange: (lab) => {
      lab.faults.app = () => ({ does: 'listen elsewhere' })
      return {}
    },
  },
  {
    title: 'an unhealthy app',
    code: 'health_failed',
    arrange: (lab) => {
      lab.faults.app = () => ({
        does: 'answer',
        with: (_request, response) => response.writeHead(503).end(),
      })
      return {}
    },
  },
  {
    title: 'Ctrl-C while files arrive',
    code: 'cancelled',
    arrange: (lab, abort) => {
      const source = lab.commit(revisionOf('b'))
      return {
        source: {
          ...source,
          async *entries(signal: AbortSignal) {
            for await (const entry of source.entries(signal)) {
              yield entry
              abort()
            }
          },
        },
      }
    },
  },
  {
    title: 'Ctrl-C in the install',
    code: 'cancelled',
    arrange: (lab, abort) => {
      lab.faults.install = async (job) => {
        abort()
        job.signal.throwIfAborted()
      }
      return {}
    },
  },
  {
    title: 'Ctrl-C in the build',
    code: 'cancelled',
    files: appFiles('x', { build: 'echo at work; sleep 60' }),
    arrange: (_lab, abort) => ({
      output: (line) => {
        if (line.includes('at work')) abort()
      },
    }),
  },
  {
    title: 'Ctrl-C while it starts',
    code: 'cancelled',
    arrange: (lab, abort) => {
      lab.faults.app = () => {
        setImmediate(abort)
        return { does: 'stay silent' }
      }
      return {}
    },
  },
  {
    title: 'Ctrl-C in the health check',
    code: 'cancelled',
    arrange: (lab, abort) => {
      lab.faults.app = () => ({ does: 'answer', with: () => abort() })
      return {}
    },
  },
  {
    title: 'a push that was overtaken while it waited',
    code: 'superseded',
    arrange: () => ({
      check: async () => {
        throw new Refusal('superseded', 'main has moved while this push waited')
      },
    }),
  },
]

for (const failure of failures) {
  test(`${failure.title}: ${failure.code}, the old release serves, nothing is left and the next push goes live`, async () => {
    await withLiveProject(async (lab, project) => {
      if (['boot_timeout', 'wrong_port', 'health_failed'].includes(failure.code))
        lab.store.projects.update(project.id, { bootTimeoutMs: 100 })
      const before = await traceOf(lab, project)
      const lines: string[] = []
      const controller = new AbortController()
      const { output, source, ...request } = failure.arrange?.(lab, () => controller.abort(cancelled())) ?? {}
      const commit = source ?? lab.commit(revisionOf('b'), failure.files)
      const proving = lab.prove(project, commit, {
        signal: controller.signal,
        ...request,
        output: (line) => {
          lines.push(line)
          output?.(line)
        },
      })

      await assert.rejects(proving, (error) => {
        assert.ok(error instanceof DeploymentFailed)
        assert.equal(error.refusal.code, failure.code)
        return true
      })

      assert.deepEqual(await traceOf(lab, project), before)
      assertToldOnce(lines, failure.code)
      assertWrittenDown(lab, project, failure.code)
      delete lab.faults.app
      delete lab.faults.install
      delete lab.faults.start
      await lab.deploy(project, lab.commit(revisionOf('b')))
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
    })
  })
}

function assertToldOnce(lines: readonly string[], code: string): void {
  const errors = lines.filter((line) => line.startsWith('error:'))
  assert.equal(errors.length, 1, lines.join('\n'))
  assert.match(errors[0] ?? '', new RegExp(`^error: ${code}: \\S`))
  assert.ok(lines.some((line) => line.includes('v1 is still live')))
}

function assertWrittenDown(lab: Lab, project: ProjectRow, code: string): void {
  const deployment = lab.store.deployments.find(project.id, 2)
  const status = code === 'cancelled' || code === 'superseded' ? code : 'failed'
  assert.equal(deployment?.status, status)
  assert.equal(deployment?.error?.code, code)
  assert.equal(deployment?.release, null)
  assert.ok(deployment?.finishedAt)
  assert.ok(deployment.steps.every((step) => step.status !== 'running'))
  assert.equal(lab.store.deployments.find(project.id, 1)?.status, 'live')
}

test('the app is quoted when it crashes, and the hint names the missing package', async () => {
  await withLiveProject(async (lab, project) => {
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ["Error: Cannot find module 'koa'"] })
    const lines: string[] = []
    await assert.rejects(
      lab.prove(project, lab.commit(revisionOf('b')), { output: (line) => lines.push(line) }),
    )
    assert.ok(lines.includes("  | Error: Cannot find module 'koa'"), lines.join('\n'))
    assert.ok(lines.includes('hint: add it to the dependencies: npm install koa'))
  })
})

test('a candidate that is given up leaves nothing and takes no traffic', async () => {
  await withLiveProject(async (lab, project) => {
    const before = await traceOf(lab, project)
    const proven = await lab.prove(project, lab.commit(revisionOf('b')))
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    await proven.abandon(new Refusal('superseded', 'main has moved'))
    assert.deepEqual(await traceOf(lab, project), before)
    assertWrittenDown(lab, project, 'superseded')
  })
})

test('a commit transaction that fails leaves the old release live in every respect', async () => {
  await withLiveProject(async (lab, project) => {
    const before = await traceOf(lab, project)
    const proven = await lab.prove(project, lab.commit(revisionOf('b')), {
      onLive: () => {
        throw new Error('SQLITE_IOERR')
      },
    })
    await assert.rejects(proven.goLive(), DeploymentFailed)
    assert.deepEqual(await traceOf(lab, project), before)
    assertWrittenDown(lab, project, 'internal')
    await lab.deploy(project, lab.commit(revisionOf('b')))
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
  })
})

test('a front door that is away at the switch gets the routes when it is back, and the old release ends after that', async () => {
  await withLiveProject(async (lab, project) => {
    const proven = await lab.prove(project, lab.commit(revisionOf('b')))
    lab.router.fail('the front door is being restarted')
    const going = proven.goLive()
    await until('the switch was tried', () => lab.reports.some((line) => line.includes('front door')))
    assert.equal((await lab.memory.list()).length, 2)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    lab.router.fail(undefined)
    assert.equal((await going).status, 'live')
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    await lab.settled()
    assert.deepEqual(
      (await lab.memory.list()).map(({ release }) => release),
      [2],
    )
  })
})

test('a candidate that does not end is no candidate any more, and ends with the next deployment', async () => {
  await withLiveProject(async (lab, project) => {
    lab.faults.stop = async () => {
      throw new Refusal('unavailable', 'the process manager does not answer')
    }
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    await assert.rejects(lab.prove(project, lab.commit(revisionOf('b'))), (error) => {
      assert.ok(error instanceof DeploymentFailed)
      assert.equal(error.refusal.code, 'boot_crashed', 'the cause is the crash, not the process manager')
      return true
    })
    assert.deepEqual(lab.store.instances.ofProject(project.id, 'candidate'), [])
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1'])
    assertWrittenDown(lab, project, 'boot_crashed')

    lab.faults.stop = async () => {
      throw new Refusal('unavailable', 'the process manager does not answer')
    }
    delete lab.faults.app
    const proven = await lab.prove(project, lab.commit(revisionOf('c')))
    await proven.abandon(new Refusal('superseded', 'main has moved'))
    assert.equal(lab.store.deployments.find(project.id, 3)?.status, 'superseded')
    assert.deepEqual(lab.store.instances.ofProject(project.id, 'candidate'), [])

    delete lab.faults.stop
    await lab.deploy(project, lab.commit(revisionOf('d')))
    await lab.settled()
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    assert.deepEqual(
      (await lab.memory.list()).map(({ release }) => release),
      [2],
    )
    assert.equal(lab.store.instances.ofProject(project.id).length, 1)
  })
})

test('a failure that cannot be written down still ends the turn of the project', async () => {
  await withLiveProject(async (lab, project) => {
    lab.faults.install = async () => {
      lab.db.exec(`CREATE TRIGGER full BEFORE UPDATE ON deployments
        BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
      throw new Error('disk full')
    }
    await assert.rejects(lab.prove(project, lab.commit(revisionOf('b'))))
    lab.db.exec('DROP TRIGGER full')
    delete lab.faults.install
    await lab.deploy(project, lab.commit(revisionOf('b')))
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
  })
})

test('a log that cannot be opened fails the deployment instead of leaving it running for ever', async () => {
  await withLiveProject(async (lab, project) => {
    await rm(lab.paths.projectLogs('shop'), { recursive: true })
    await writeFile(lab.paths.projectLogs('shop'), 'a file where the folder should be')
    await assert.rejects(lab.prove(project, lab.commit(revisionOf('b'))))
    assert.deepEqual(lab.store.deployments.unfinished(), [])
    assert.equal(lab.store.deployments.find(project.id, 2)?.error?.code, 'internal')
    await rm(lab.paths.projectLogs('shop'))
    await lab.deploy(project, lab.commit(revisionOf('b')))
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
  })
})

test('a deployment waits for the one before it, says so, and can be cancelled while it waits', async () => {
  await withLiveProject(async (lab, project) => {
    const first = await lab.prove(project, lab.commit(revisionOf('b')))
    const lines: string[] = []
    const controller = new AbortController()
    const request = { signal: controller.signal, output: (line: string) => void lines.push(line) }
    const second = lab.prove(project, lab.commit(revisionOf('c')), request)
    await until('it waits', () => lines.length > 1)
    assert.equal(lines[1], 'waiting for another deployment of this project to finish')
    assert.equal(lab.store.deployments.find(project.id, 3)?.status, 'queued')
    controller.abort(cancelled())
    await assert.rejects(second, (error) => {
      return error instanceof DeploymentFailed && error.refusal.message === 'the push was interrupted'
    })
    await first.goLive()
    assert.equal(lab.store.deployments.find(project.id, 3)?.status, 'cancelled')
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
  })
})

test('the whole output is kept in a file of the owner, with the address of the app', async () => {
  await withLiveProject(async (lab, project) => {
    const lines: string[] = []
    await lab.deploy(project, lab.commit(revisionOf('b')), { output: (line) => lines.push(line) })
    const kept = await readFile(lab.paths.deploymentLog('shop', 2), 'utf8')
    assert.equal(kept, `${lines.join('\n')}\n`)
    assert.match(kept, /^NodePilot {2}shop {2}bbbbbbb$/m)
    assert.match(kept, /^success: v2 is live \(\d+\.\ds\)$/m)
    assert.match(kept, /^ {2}App {4}http:\/\/shop\.localhost:3000$/m)
    assert.match(kept, /^ {2}Undo {3}nodepilot rollback v1 -p shop$/m)
    assert.equal(lab.store.deployments.find(project.id, 1)?.status, 'retired')
  })
})

test('a server that ends cancels what is under way and leaves the old release running', async () => {
  await withLiveProject(async (lab, project) => {
    let closing: Promise<void> | undefined
    lab.faults.install = async (job) => {
      closing = lab.engine.close()
      job.signal.throwIfAborted()
    }
    await assert.rejects(lab.prove(project, lab.commit(revisionOf('b'))), DeploymentFailed)
    await closing
    assert.equal(lab.store.deployments.find(project.id, 2)?.error?.message, 'the server is shutting down')
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})
