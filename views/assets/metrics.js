// Charts of the Metrics page: fills every <figure data-chart="…"> with what the API says, and goes on doing so.
// The page is complete without this script: the same numbers stand in a table.
;(() => {
  const root = document.querySelector('[data-metrics]')
  if (!root || !window.uPlot) return

  const number = (digits) => new Intl.NumberFormat('en', { maximumFractionDigits: digits })
  const bytes = (value) => {
    const units = ['B', 'kB', 'MB', 'GB', 'TB']
    let unit = 0
    for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
    return `${number(value < 10 && unit > 0 ? 1 : 0).format(value)} ${units[unit]}`
  }
  const milliseconds = (value) =>
    value < 1000 ? `${number(value < 10 ? 1 : 0).format(value)} ms` : `${number(1).format(value / 1000)} s`
  const percent = (value) => `${number(value < 10 ? 1 : 0).format(value)} %`
  const count = (value) => number(1).format(value)

  const charts = {
    cpu: { say: percent, series: [['cpu', 'CPU', '--chart-1']], floor: 5 },
    memory: { say: bytes, series: [['memoryBytes', 'Memory', '--chart-2']], floor: 10_000_000 },
    requests: {
      say: count,
      series: [
        ['requests', 'Requests', '--chart-1'],
        ['errors', 'Errors', '--chart-bad'],
      ],
      floor: 4,
    },
    latency: {
      say: milliseconds,
      series: [
        ['p50Ms', 'p50', '--chart-1'],
        ['p95Ms', 'p95', '--chart-3'],
      ],
      floor: 4,
    },
    restarts: { say: count, series: [['restarts', 'Restarts', '--chart-bad']], floor: 4 },
    network: {
      say: (value) => `${bytes(value)}/s`,
      series: [
        ['rxBytesPerSecond', 'In', '--chart-1'],
        ['txBytesPerSecond', 'Out', '--chart-3'],
      ],
      floor: 1000,
    },
    disk: { say: bytes, series: [['diskUsedBytes', 'Disk', '--chart-3']], floor: 1_000_000_000 },
  }

  // Custom properties that say light-dark(…) are told apart only where they are used: on an element.
  const probe = document.createElement('span')
  probe.hidden = true
  root.append(probe)
  let colours = new Map()
  const colour = (name, alpha = 1) => {
    const key = `${name} ${alpha}`
    if (!colours.has(key)) {
      probe.style.color =
        alpha === 1 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${alpha * 100}%, transparent)`
      colours.set(key, getComputedStyle(probe).color)
    }
    return colours.get(key)
  }

  const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
  const dated = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
  const range = root.dataset.range
  const sayTime = (seconds) => {
    const at = new Date(seconds * 1000)
    return range === '7d' && at.getHours() === 0 && at.getMinutes() === 0
      ? dated.format(at)
      : clock.format(at)
  }
  const sayMoment = (seconds) =>
    range === '1h'
      ? clock.format(seconds * 1000)
      : `${dated.format(seconds * 1000)}, ${clock.format(seconds * 1000)}`

  let deploys = []
  const drawDeploys = (plot) => {
    const { ctx, bbox } = plot
    const ratio = devicePixelRatio
    ctx.save()
    ctx.strokeStyle = colour('--muted')
    ctx.fillStyle = colour('--muted')
    ctx.lineWidth = ratio
    ctx.setLineDash([3 * ratio, 3 * ratio])
    ctx.font = `${11 * ratio}px ${getComputedStyle(root).fontFamily}`
    let free = -Infinity
    for (const { at, label } of deploys) {
      const x = Math.round(plot.valToPos(at, 'x', true))
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
      const width = ctx.measureText(label).width
      if (x - width < free) continue
      ctx.textAlign = x + width > bbox.left + bbox.width ? 'right' : 'left'
      ctx.fillText(label, x + (ctx.textAlign === 'left' ? 3 : -3) * ratio, bbox.top + 10 * ratio)
      free = x + width
    }
    ctx.restore()
  }

  const plots = []
  for (const figure of root.querySelectorAll('[data-chart]')) {
    const chart = charts[figure.dataset.chart]
    if (chart) plots.push(makePlot(figure, chart))
  }

  function makePlot(figure, chart) {
    const place = figure.querySelector('[data-plot]')
    const value = figure.querySelector('[data-value]')
    const axis = {
      font: `12px ${getComputedStyle(root).fontFamily}`,
      stroke: () => colour('--muted'),
      grid: { stroke: () => colour('--line'), width: 1 },
      ticks: { show: false },
    }
    const say = (plot, index) => {
      const parts = chart.series.map(([, name], at) => {
        const found = index === null ? lastOf(plot.data[at + 1]) : plot.data[at + 1][index]
        const text = found === null || found === undefined ? '–' : chart.say(found)
        return chart.series.length > 1 ? `${name} ${text}` : text
      })
      const when = index === null ? '' : ` at ${sayMoment(plot.data[0][index])}`
      value.textContent = parts.join(', ') + when
    }
    const plot = new window.uPlot(
      {
        width: Math.max(place.clientWidth, 100),
        height: 160,
        padding: [10, 22, 0, 0], // half a time of the axis stands beyond the plot
        legend: { show: false },
        cursor: { sync: { key: 'metrics' }, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: true },
          y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.15, chart.floor)] },
        },
        axes: [
          { ...axis, values: (_, splits) => splits.map(sayTime), space: 60, size: 28 },
          { ...axis, values: (_, splits) => splits.map(chart.say), size: 66, space: 34 },
        ],
        series: [
          {},
          ...chart.series.map(([, label, name], at) => ({
            label,
            stroke: () => colour(name),
            fill: at === 0 ? () => colour(name, 0.12) : undefined,
            width: 1.5,
            points: { show: false },
          })),
        ],
        hooks: { draw: [drawDeploys], setCursor: [(self) => say(self, self.cursor.idx ?? null)] },
      },
      [[], ...chart.series.map(() => [])],
      place,
    )
    new ResizeObserver(() => {
      const width = place.clientWidth
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: 160 })
    }).observe(place)
    return { plot, chart, figure, say }
  }

  function lastOf(values) {
    for (let at = values.length - 1; at >= 0; at--)
      if (values[at] !== null && values[at] !== undefined) return values[at]
    return null
  }

  function show(answer) {
    const times = answer.times.map((time) => Date.parse(time) / 1000)
    deploys = (answer.deploys ?? []).map(({ time, release, number }) => ({
      at: Date.parse(time) / 1000,
      label: release ? `v${release}` : `#${number}`,
    }))
    for (const { plot, chart, figure, say } of plots) {
      plot.setData([times, ...chart.series.map(([key]) => answer.series[key] ?? times.map(() => null))])
      say(plot, null)
      figure.dataset.ready = 'yes'
    }
    root.dataset.ready = 'yes'
  }

  const status = root.querySelector('[data-metrics-status]')
  let timer
  async function refresh() {
    clearTimeout(timer)
    if (document.hidden) return
    try {
      const response = await fetch(root.dataset.metrics, { headers: { accept: 'application/json' } })
      if (response.status === 401) return location.reload()
      if (!response.ok) throw new Error(String(response.status))
      show(await response.json())
      status.textContent = ''
    } catch {
      status.textContent = 'The server does not answer: these numbers are older.'
    }
    timer = setTimeout(refresh, Number(root.dataset.every))
  }

  const repaint = () => {
    colours = new Map()
    for (const { plot } of plots) plot.redraw(true, true)
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint)
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ['data-theme'] })
  document.addEventListener('visibilitychange', refresh)
  refresh()
})()
