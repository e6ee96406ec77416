import type { MachineNow } from '../../engine/metrics/machine.ts'
import type { TrafficCounts, TrafficReport } from '../../engine/ports.ts'
import {
  addHistograms,
  bucketsPerDoubling,
  type Histogram,
  upperBoundMs,
} from '../../engine/router/latency.ts'
import type { SystemProcess } from '../../engine/use-cases/system.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { exposition, expositionType, type Family, type Sample } from '../exposition.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import { cronFamilies } from './prometheus-cron.ts'

/** `GET /metrics`, for Prometheus and everything that reads its format. */
export function prometheusApi(services: Services): readonly Endpoint[] {
  const { engine, version } = services
  return [
    endpoint({
      method: 'get',
      path: paths.prometheus,
      tag: 'Server',
      summary: 'Everything that is measured, in the text format of Prometheus',
      description: 'Counters of requests begin anew when the front door is started again.',
      access: 'server.read',
      answers: { 200: { description: 'the numbers', type: 'text/plain' } },
      async handler({ c }) {
        const [processes, traffic, machine] = await Promise.all([
          engine.system.processes(),
          engine.system.traffic(),
          engine.system.machine(),
        ])
        const families = [
          gauge('nodepilot_info', 'Version of NodePilot.', [
            { labels: { version, node: process.version }, value: 1 },
          ]),
          ...trafficFamilies(traffic),
          ...processFamilies(processes),
          gauge(
            'nodepilot_project_sleeping',
            'Whether a project sleeps: none of its processes runs until the next request.',
            engine.projects
              .rows()
              .map(({ name, asleepAt }) => ({ labels: { project: name }, value: asleepAt === null ? 0 : 1 })),
          ),
          counter(
            'nodepilot_out_of_memory_total',
            'Instances that were ended because they were over the memory limit of their project.',
            [...engine.memory.counts()].map(([project, value]) => ({ labels: { project }, value })),
          ),
          counter(
            'nodepilot_deployments_total',
            'Deployments that have ended.',
            endedSamples(engine.deployments.counts()),
          ),
          ...cronFamilies(services),
          ...machineFamilies(machine),
        ]
        return c.body(exposition(families), 200, {
          'content-type': expositionType,
          'cache-control': 'no-store',
        })
      },
    }),
  ]
}

/** One that is live now or was is the same to a counter: it must not fall when the next one retires it. */
function endedSamples(counts: ReturnType<Services['engine']['deployments']['counts']>): Sample[] {
  const projects = [...new Set(counts.map(({ project }) => project))]
  const sum = (of: string, statuses: readonly string[]) =>
    counts
      .filter(({ project, status }) => project === of && statuses.includes(status))
      .reduce((total, { count }) => total + count, 0)
  return projects.flatMap((project) => [
    { labels: { project, result: 'live' }, value: sum(project, ['live', 'retired']) },
    { labels: { project, result: 'failed' }, value: sum(project, ['failed']) },
    { labels: { project, result: 'cancelled' }, value: sum(project, ['cancelled', 'superseded']) },
  ])
}

function trafficFamilies(report: TrafficReport | null): Family[] {
  const projects = report === null ? [] : byProject(report.projects)
  const each = (value: (counts: TrafficCounts) => number): Sample[] =>
    projects.map((counts) => ({ labels: { project: counts.project }, value: value(counts) }))
  return [
    gauge('nodepilot_router_up', 'Whether the front door answers the server.', [{ value: report ? 1 : 0 }]),
    counter(
      'nodepilot_http_requests_total',
      'Requests to a project by class of status; none: the client left before there was an answer.',
      projects.flatMap(({ project, statuses }) =>
        statuses.map((value, kind) => ({
          labels: { project, code: kind === 0 ? 'none' : `${kind}xx` },
          value,
        })),
      ),
    ),
    {
      name: 'nodepilot_http_request_duration_seconds',
      help: 'Time until an answer began.',
      type: 'histogram',
      samples: projects.flatMap(histogramSamples),
    },
    gauge(
      'nodepilot_http_requests_open',
      'Requests and tunnels under way.',
      each(({ open }) => open),
    ),
    counter(
      'nodepilot_http_received_bytes_total',
      'Bytes from clients.',
      each(({ bytesIn }) => bytesIn),
    ),
    counter(
      'nodepilot_http_sent_bytes_total',
      'Bytes to clients.',
      each(({ bytesOut }) => bytesOut),
    ),
  ]
}

/** Bounds twice as far apart each time: 18 of them say enough and stay few for a hundred projects. */
function histogramSamples({ project, latency, sumMs }: TrafficCounts): Sample[] {
  const samples: Sample[] = []
  let sum = 0
  let next = 0
  for (let bucket = 0; upperBoundMs(bucket) !== Number.POSITIVE_INFINITY; bucket += bucketsPerDoubling) {
    for (; (latency[next]?.[0] ?? Number.POSITIVE_INFINITY) <= bucket; next++) sum += latency[next]?.[1] ?? 0
    samples.push({ suffix: '_bucket', labels: { project, le: upperBoundMs(bucket) / 1000 }, value: sum })
  }
  const count = latency.reduce((total, [, more]) => total + more, 0)
  return [
    ...samples,
    { suffix: '_bucket', labels: { project, le: '+Inf' }, value: count },
    { suffix: '_sum', labels: { project }, value: sumMs / 1000 },
    { suffix: '_count', labels: { project }, value: count },
  ]
}

/** Releases of a project together: with a label for each, the number of series would grow with every deploy. */
function byProject(counts: readonly TrafficCounts[]): TrafficCounts[] {
  const sums = new Map<string, TrafficCounts>()
  for (const one of counts) {
    const sum = sums.get(one.project)
    sums.set(one.project, sum ? add(sum, one) : one)
  }
  return [...sums.values()]
}

function add(one: TrafficCounts, other: TrafficCounts): TrafficCounts {
  const latency: Histogram = addHistograms(one.latency, other.latency)
  return {
    project: one.project,
    release: null,
    requests: one.requests + other.requests,
    statuses: one.statuses.map((count, kind) => count + (other.statuses[kind] ?? 0)),
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
    open: one.open + other.open,
    sumMs: one.sumMs + other.sumMs,
    latency,
  }
}

function processFamilies(processes: readonly SystemProcess[]): Family[] {
  const each = (value: (process: SystemProcess) => number): Sample[] =>
    processes.map((one) => ({
      labels: { project: one.project ?? '', process: one.instance ?? one.name, release: one.release ?? '' },
      value: value(one),
    }))
  return [
    gauge(
      'nodepilot_process_up',
      'Whether a process runs.',
      each(({ status }) => (status === 'online' ? 1 : 0)),
    ),
    gauge(
      'nodepilot_process_cpu_ratio',
      'Share of one core.',
      each(({ cpu }) => Math.round(cpu * 10) / 1000),
    ),
    gauge(
      'nodepilot_process_resident_memory_bytes',
      'Memory in use.',
      each(({ memoryBytes }) => memoryBytes),
    ),
    gauge(
      'nodepilot_process_restarts',
      'Starts after the first one.',
      each(({ restarts }) => restarts),
    ),
    gauge(
      'nodepilot_process_uptime_seconds',
      'Since its start.',
      each(({ uptimeMs }) => Math.round(uptimeMs) / 1000),
    ),
  ]
}

function machineFamilies({ cpu, load, memory, disk, network }: MachineNow): Family[] {
  const one = (value: number | null | undefined): Sample[] =>
    value === null || value === undefined ? [] : [{ value }]
  return [
    gauge(
      'nodepilot_machine_cpu_ratio',
      'Share of all cores in use.',
      one(cpu === null ? null : Math.round(cpu * 10) / 1000),
    ),
    gauge('nodepilot_machine_load1', 'Load over a minute.', one(load[0])),
    gauge('nodepilot_machine_memory_bytes', 'Memory of the machine.', one(memory.totalBytes)),
    gauge('nodepilot_machine_memory_used_bytes', 'Memory in use.', one(memory.usedBytes)),
    gauge('nodepilot_machine_disk_bytes', 'The disk that holds the home.', one(disk.totalBytes)),
    gauge('nodepilot_machine_disk_used_bytes', 'Disk in use.', one(disk.usedBytes)),
    counter(
      'nodepilot_machine_network_receive_bytes_total',
      'Received, without loopback.',
      one(network?.rxBytes),
    ),
    counter(
      'nodepilot_machine_network_transmit_bytes_total',
      'Sent, without loopback.',
      one(network?.txBytes),
    ),
  ]
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples }
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'counter', samples }
}
