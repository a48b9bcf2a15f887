// Reads /stats once a second and draws what it says. Charts are made once; their points are replaced.
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const modes = ['fdpass', 'copy', 'splice', 'put', 'other'];
  // Each mode its own: what stands beside another in one chart can be told from it, by hue and by lightness.
  const colours = {fdpass: '#1c7ed6', copy: '#e8590c', splice: '#2f9e44', put: '#c2255c', other: '#868e96',
    copypath: '#e8590c', model: '#ae3ec9', udp: '#0c8599', open: '#1c7ed6', hot: '#e8590c', hits: '#2f9e44'};
  const pointsMax = 120;

  const number = (value) => value >= 100 ? Math.round(value).toLocaleString('en')
    : value < 0.001 ? '0' : String(Number(value.toPrecision(3)));
  const size = (bytes) => {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; ++unit; }
    return number(bytes) + ' ' + units[unit];
  };
  const long = (seconds) => {
    const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
    const from = Math.max(0, parts.findIndex(([unit]) => seconds >= unit));
    let left = Math.max(0, Math.floor(seconds));
    return parts.slice(from, from + 2).map(([unit, name]) => {
      const count = Math.floor(left / unit);
      left -= count * unit;
      return count + ' ' + name;
    }).join(' ');
  };
  const clock = (unixSeconds) => new Date(unixSeconds * 1000).toLocaleTimeString('en-GB');

  // How long ago, in places that leave room for the words at the width of a phone.
  const ago = {
    afterBuildTicks: (scale) => { scale.ticks = [pointsMax - 1, pointsMax - 31, pointsMax - 61, pointsMax - 91]
      .map((value) => ({value})).reverse(); },
    ticks: {autoSkip: false, maxRotation: 0, align: 'end',
      callback: (index) => index === pointsMax - 1 ? 'now' : '−' + (pointsMax - 1 - index) + ' s'},
  };

  const charts = new Map();
  const draw = (id, labels, sets, logarithmic) => {
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
            x: {...ago, ticks: {...ago.ticks, color: css('--soft')}, grid: {display: false}},
            // Descriptors take a hundredth of what bodies take: on a linear axis they lie on the ground.
            y: logarithmic
              ? {type: 'logarithmic', suggestedMin: 1, suggestedMax: 1000, grid: {color: css('--line')},
                afterBuildTicks: (scale) => { scale.ticks = scale.ticks.filter(({value}) => Number.isInteger(Math.log10(value))); },
                ticks: {autoSkip: false, color: css('--soft'), callback: (value) => value.toLocaleString('en')}}
              : {beginAtZero: true, suggestedMax: 1, ticks: {maxTicksLimit: 5, color: css('--soft')},
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

  const text = (id, value) => { byId(id).textContent = value; };

  // What it is, where, and what it holds.
  const describe = (stats) => {
    const {totals} = stats;
    text('who', [stats.version && 'version ' + stats.version, stats.host && 'on ' + stats.host,
      'up ' + long((stats.now ? stats.now.end_unix_s : Date.now() / 1000) - totals.process.start_unix_s),
      stats.root + (stats.writable ? ', writable' : ', read only')].filter(Boolean).join(' · '));
    document.title = 'objmapper' + (stats.host ? ' on ' + stats.host : '');
    const objects = totals.objects;
    text('objects', objects.objects === undefined ? '–' : number(objects.objects));
    text('objects-more', objects.objects === undefined ? 'objects: not counted (--nocatalog)'
      : 'objects, ' + size(objects.bytes) + (objects.complete ? '' : '; still being counted') +
        (objects.evicted + objects.expired > 0 ? '; ' + number(objects.evicted) + ' evicted, ' +
          number(objects.expired) + ' expired' : ''));
    const tier = totals.memory;
    text('tier', tier.objects === undefined ? '–' : number(tier.objects));
    text('tier-more', tier.objects === undefined ? 'objects in memory: none are kept (--memory_limit=0)'
      : 'objects in memory, ' + size(tier.bytes) + ' of ' + size(tier.max_bytes));
    const disk = totals.disk;
    const levels = [[objects.disk_evict_at_bytes, 'evicts at '], [objects.disk_refuse_at_bytes, 'refuses at ']]
      .filter(([bytes]) => bytes > 0).map(([bytes, words]) => words + size(bytes));
    text('disk', disk.bytes === undefined ? '–' : size(disk.available_bytes));
    text('disk-more', disk.bytes === undefined ? 'left on the disk: not known'
      : ['left on the disk of ' + size(disk.bytes), ...levels].join('; '));
    const rules = totals.rules;
    text('rules', rules === null ? 'none' : number(rules.count));
    text('rules-more', rules === null ? 'rules: who is connected may ask for everything'
      : rules.error ? 'rules, of ' + clock(rules.read_unix_s) + '. The last reload failed: ' + rules.error
        : 'rules, read at ' + clock(rules.read_unix_s));
    byId('rules-more').className = rules !== null && rules.error ? 'bad' : '';
    const origins = totals.origins;
    text('origins', origins === null ? 'none' : number(origins.count));
    text('origins-more', origins === null ? 'origins: nothing is fetched'
      : origins.error ? 'origins. The last reload failed: ' + origins.error
        : 'origins; ' + number(origins.under_way) + ' objects are being fetched, ' +
          number(origins.waiting) + ' requests wait; ' + number(origins.brought) + ' fetched, ' +
          number(origins.failed) + ' failed');
    byId('origins-more').className = origins !== null && origins.error ? 'bad' : '';
  };

  const show = (stats) => {
    describe(stats);
    byId('state').textContent = stats.state;
    byId('state').className = 'chip ' + (stats.state === 'serving' ? 'good' : 'bad');
    byId('shape').textContent = stats.shape;
    const {now, totals, history} = stats;
    if (!now) return;  // a second has to pass first
    const sum = (what) => modes.reduce((all, mode) => all + now.modes[mode][what], 0);
    byId('rate').textContent = number(sum('requests_per_s'));
    byId('misses').textContent = 'requests a second, ' + number(sum('misses_per_s')) + ' for what is not there';
    // A descriptor moves nothing, however large the object behind it.
    byId('bytes').textContent = size(sum('object_bytes_per_s') - now.modes.fdpass.object_bytes_per_s);
    byId('passed').textContent = 'sent and stored a second; beside it, ' +
      size(now.modes.fdpass.object_bytes_per_s) + ' behind descriptors';
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
      ['mode', 'requests/s', 'misses/s', 'errors/s', 'bytes/s', 'p50 µs', 'p99 µs', 'p999 µs', 'requests', 'mean size'],
      modes.map((mode) => {
        const one = now.modes[mode], all = totals.modes[mode];
        return [mode, number(one.requests_per_s), number(one.misses_per_s), number(one.errors_per_s),
          mode === 'fdpass' ? '(' + size(one.object_bytes_per_s) + ')' : size(one.object_bytes_per_s), micro(one.p50_us, one.requests_per_s),
          micro(one.p99_us, one.requests_per_s), micro(one.p999_us, one.requests_per_s),
          number(all.requests), all.requests > 0 ? size(all.object_bytes / all.requests) : '–'];
      }));
    byId('dialects').textContent = 'answers: ' + Object.entries(totals.dialects)
      .map(([name, answers]) => number(answers) + ' by ' + name).join(', ');
    table(byId('lanes'),
      ['lane', 'runs on', 'threads', 'busy', 'queue', 'wait p99 µs', 'cache hits', 'misses',
        'from disk', 'splice threads', 'transfers'],
      Object.entries(totals.lanes).map(([name, lane]) => [name, lane.engine || '–',
        number(lane.threads), number((now.lanes[name] || {}).busy_threads || 0),
        number(lane.queue_depth || 0), number(lane.wait_p99_us),
        number(lane.cache_hits || 0), number(lane.cache_misses || 0), number(lane.page_ins || 0),
        number(lane.splice_threads || 0), number(lane.transfers || 0)]));
    const each = totals.origins === null ? [] : totals.origins.each;
    byId('each-origin').hidden = each.length === 0;
    table(byId('each-origin'),
      ['origin', 'state', 'hits', 'part hits', 'misses', 'compared', 'being fetched', 'waiting',
        'bytes', 'evicted', 'retries', 'answers after p50', 'p99'],
      each.map((one) => [one.prefix + ' ' + one.url, one.ok ? 'ok' : 'trouble: ' + one.trouble,
        number(one.hits), number(one.part_hits), number(one.misses), number(one.compared),
        number(one.under_way), number(one.waiting), size(one.bytes), number(one.evicted),
        number(one.retries), one.p50_ms === null ? '–' : number(one.p50_ms) + ' ms',
        one.p99_ms === null ? '–' : number(one.p99_ms) + ' ms']));

    const labels = history.map((point) => clock(point.end_unix_s));
    while (labels.length < pointsMax) labels.unshift('');
    const line = (label, value) => {
      const data = history.map(value);
      while (data.length < pointsMax) data.unshift(null);
      return {label, data};
    };
    const laneNames = Object.keys(totals.lanes);
    draw('c-rate', labels, modes.map((m) => line(m, (p) => p.modes[m].requests_per_s)));
    draw('c-p99', labels, modes.map((m) => line(m,
      (p) => p.modes[m].requests_per_s > 0 ? Math.max(p.modes[m].p99_us, 0.1) : null)), true);
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
