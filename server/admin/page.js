// Reads /stats once a second and draws what it says. Charts are made once; their points are replaced.
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const modes = ['fdpass', 'copy', 'splice', 'put', 'other'];
  const colours = {fdpass: '#1c7ed6', copy: '#e8590c', splice: '#2f9e44', other: '#868e96',
    copypath: '#e8590c', model: '#ae3ec9', open: '#1c7ed6', hot: '#e8590c', hits: '#2f9e44'};
  const pointsMax = 120;

  const number = (value) => value >= 100 ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));
  const size = (bytes) => {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; ++unit; }
    return number(bytes) + ' ' + units[unit];
  };

  const charts = new Map();
  const draw = (id, labels, sets) => {
    if (typeof Chart === 'undefined') return;
    let chart = charts.get(id);
    if (!chart) {
      chart = new Chart(byId(id), {
        type: 'line',
        data: {labels: [], datasets: []},
        options: {
          animation: false, responsive: true, maintainAspectRatio: false, spanGaps: false,
          interaction: {mode: 'index', intersect: false},
          elements: {point: {radius: 0, hitRadius: 6}, line: {borderWidth: 1.8, tension: 0}},
          scales: {
            x: {ticks: {maxTicksLimit: 5, maxRotation: 0, color: css('--soft')}, grid: {display: false}},
            y: {beginAtZero: true, suggestedMax: 1, ticks: {maxTicksLimit: 5, color: css('--soft')},
              grid: {color: css('--line')}},
          },
          plugins: {legend: {labels: {boxWidth: 10, color: css('--front')}}},
        },
      });
      charts.set(id, chart);
    }
    chart.data.labels = labels;
    for (const set of sets) {
      let known = chart.data.datasets.find((one) => one.label === set.label);
      if (!known) {
        const colour = colours[set.label] || '#868e96';
        known = {label: set.label, borderColor: colour, backgroundColor: colour, data: []};
        chart.data.datasets.push(known);
      }
      known.data = set.data;
    }
    chart.update('none');
  };

  const table = (element, head, rows) => {
    const fill = (row, cells, kind) => {
      for (const text of cells) row.appendChild(document.createElement(kind)).textContent = text;
      return row;
    };
    const body = [fill(document.createElement('tr'), head, 'th')];
    for (const cells of rows) body.push(fill(document.createElement('tr'), cells, 'td'));
    element.replaceChildren(...body);
  };

  const show = (stats) => {
    byId('state').textContent = stats.state;
    byId('state').className = 'chip ' + (stats.state === 'serving' ? 'good' : 'bad');
    byId('shape').textContent = stats.shape;
    const {now, totals, history} = stats;
    if (!now) return;  // a second has to pass first
    const sum = (what) => modes.reduce((all, mode) => all + now.modes[mode][what], 0);
    byId('rate').textContent = number(sum('requests_per_s'));
    byId('bytes').textContent = size(sum('object_bytes_per_s'));
    byId('errors').textContent = number(sum('errors_per_s'));
    byId('open').textContent = number(now.connections.open);
    byId('hot').textContent = 'connections, ' + number(now.connections.hot) + ' hot, of ' +
      number(totals.connections.max);
    byId('cpu').textContent = number(Math.max(0, now.cpu_cores));
    byId('rss').textContent = size(totals.process.rss_bytes);
    byId('fds').textContent = 'memory; ' + number(totals.process.open_fds) + ' descriptors, ' +
      number(totals.process.threads) + ' threads';

    const micro = (value, requests) => requests > 0 ? number(value) : '–';
    table(byId('modes'),
      ['mode', 'requests/s', 'errors/s', 'objects/s', 'p50 µs', 'p99 µs', 'p999 µs', 'requests', 'mean size'],
      modes.map((mode) => {
        const one = now.modes[mode], all = totals.modes[mode];
        return [mode, number(one.requests_per_s), number(one.errors_per_s),
          size(one.object_bytes_per_s), micro(one.p50_us, one.requests_per_s),
          micro(one.p99_us, one.requests_per_s), micro(one.p999_us, one.requests_per_s),
          number(all.requests), all.requests > 0 ? size(all.object_bytes / all.requests) : '–'];
      }));
    table(byId('lanes'),
      ['lane', 'runs on', 'threads', 'busy', 'queue', 'wait p99 µs', 'cache hits', 'misses',
        'from disk', 'splice threads', 'transfers'],
      Object.entries(totals.lanes).map(([name, lane]) => [name, lane.engine || '–',
        number(lane.threads), number((now.lanes[name] || {}).busy_threads || 0),
        number(lane.queue_depth || 0), number(lane.wait_p99_us),
        number(lane.cache_hits || 0), number(lane.cache_misses || 0), number(lane.page_ins || 0),
        number(lane.splice_threads || 0), number(lane.transfers || 0)]));

    const labels = history.map((point) => new Date(point.end_unix_s * 1000).toLocaleTimeString('en-GB'));
    while (labels.length < pointsMax) labels.unshift('');
    const line = (label, value) => {
      const data = history.map(value);
      while (data.length < pointsMax) data.unshift(null);
      return {label, data};
    };
    const laneNames = Object.keys(totals.lanes);
    draw('c-rate', labels, modes.map((m) => line(m, (p) => p.modes[m].requests_per_s)));
    draw('c-p99', labels, modes.map((m) => line(m,
      (p) => p.modes[m].requests_per_s > 0 ? p.modes[m].p99_us : null)));
    draw('c-busy', labels, laneNames.map((n) => line(n, (p) => (p.lanes[n] || {}).busy_threads ?? null)));
    draw('c-queue', labels, laneNames.map((n) => line(n, (p) => (p.lanes[n] || {}).queue_depth ?? null)));
    draw('c-conns', labels, [line('open', (p) => p.connections.open), line('hot', (p) => p.connections.hot)]);
    draw('c-hits', labels, [line('hits', (p) => p.cache_hit_share === null ? null : 100 * p.cache_hit_share)]);
  };

  const turn = async () => {
    try {
      const response = await fetch('/stats');
      if (!response.ok) throw new Error(String(response.status));
      show(await response.json());
    } catch (error) {
      byId('state').textContent = 'no answer';
      byId('state').className = 'chip bad';
    }
    setTimeout(turn, 1000);
  };
  turn();
})();
