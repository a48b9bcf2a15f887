// Draws each workload's charts from the figures in #data: one chart for each combination of the
// parameters that are not on the x axis. Lines over three or more numbers, else grouped bars.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  if (typeof Chart === 'undefined') return;  // the tables say it all

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The same contender has the same colour in every chart: ours blue, floors grey, the others in turn.
  const hues = ['#e8590c', '#2f9e44', '#ae3ec9', '#0c8599', '#e03131', '#a07c00', '#d6336c', '#5f7f1f',
    '#7048e8', '#a0522d'];
  const greys = ['#868e96', '#adb5bd', '#5c636a', '#c3c9cf'];
  const colours = new Map([[data.subject, '#1c7ed6']]);
  let hue = 0, grey = 0;
  for (const cell of data.cells) {
    for (const one of cell.series) {
      if (colours.has(one.name)) continue;
      colours.set(one.name,
        one.kind === 'floor' ? greys[grey++ % greys.length] : hues[hue++ % hues.length]);
    }
  }

  // Quartiles as whiskers through bars and points.
  const whiskers = {
    id: 'whiskers',
    afterDatasetsDraw(chart) {
      const {ctx, scales: {y}} = chart;
      chart.data.datasets.forEach((set, index) => {
        const meta = chart.getDatasetMeta(index);
        if (meta.hidden) return;
        ctx.save();
        ctx.strokeStyle = chart.config.type === 'bar' ? css('--front') : set.borderColor;
        ctx.lineWidth = 1.2;
        meta.data.forEach((element, at) => {
          const range = set.ranges[at];
          if (!range) return;
          const high = y.getPixelForValue(range[1]), low = y.getPixelForValue(range[0]);
          if (Math.abs(low - high) < 2) return;
          ctx.beginPath();
          ctx.moveTo(element.x, low);
          ctx.lineTo(element.x, high);
          ctx.moveTo(element.x - 3, low);
          ctx.lineTo(element.x + 3, low);
          ctx.moveTo(element.x - 3, high);
          ctx.lineTo(element.x + 3, high);
          ctx.stroke();
        });
        ctx.restore();
      });
    },
  };

  // "100K" is 102400; NaN for what is no number.
  const amount = (text) => {
    const match = /^([0-9.]+)([KMG]?)$/.exec(text);
    return match ? Number(match[1]) * {'': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30}[match[2]] : NaN;
  };
  const shown = (value) => value >= 100 ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));

  // The x axis: of the parameters that are numbers and vary, the one with the most values.
  const axisOf = (cells) => {
    const values = new Map();
    for (const cell of cells) {
      for (const [name, value] of cell.parameters) {
        if (!values.has(name)) values.set(name, new Set());
        values.get(name).add(value);
      }
    }
    let best = null;
    for (const [name, set] of values) {
      if (name === 'rate' || set.size < 2 || [...set].some((v) => Number.isNaN(amount(v)))) continue;
      if (best === null || set.size > values.get(best).size) best = name;
    }
    return best;
  };

  const text = (cell, without) => cell.parameters.filter(([name]) => name !== without)
    .map(([name, value]) => `${name} ${value}`).join(' · ');

  // Splits a workload's cells into charts: [{title, axis, cells}].
  const chartsOf = (cells) => {
    const axis = axisOf(cells);
    if (axis === null) return [{title: '', axis, cells}];
    const groups = new Map();
    for (const cell of cells) {
      const title = text(cell, axis);
      if (!groups.has(title)) groups.set(title, []);
      groups.get(title).push(cell);
    }
    const value = (cell) => amount((cell.parameters.find(([name]) => name === axis) || [0, '0'])[1]);
    const charts = [...groups].map(([title, group]) =>
      ({title, axis, cells: group.sort((a, b) => value(a) - value(b))}));
    // Points that share nothing with others stand side by side in one chart.
    if (charts.every((chart) => chart.cells.length === 1)) return [{title: '', axis: null, cells}];
    return charts;
  };

  const config = ({axis, cells}, measure) => {
    const labels = cells.map((cell) => axis === null ? text(cell, null)
      : (cell.parameters.find(([name]) => name === axis) || ['', ''])[1]);
    const names = [];
    for (const cell of cells) {
      for (const one of cell.series) {
        if (!names.some((known) => known.name === one.name)) names.push(one);
      }
    }
    const lines = axis !== null && labels.length >= 3;
    let least = Infinity, most = 0;
    const datasets = names.map(({name, kind}) => {
      const values = cells.map((cell) => {
        const one = cell.series.find((series) => series.name === name);
        return one && one.values[measure] || null;
      });
      for (const value of values) {
        if (value && value[0] > 0) {
          least = Math.min(least, value[0]);
          most = Math.max(most, value[0]);
        }
      }
      const colour = colours.get(name);
      return {
        label: name,
        data: values.map((value) => value && value[0]),
        ranges: values.map((value) => value && value.slice(1)),
        borderColor: colour, backgroundColor: colour,
        borderWidth: lines ? (name === data.subject ? 3 : 1.6) : 0,
        borderDash: kind === 'floor' ? [5, 4] : [],
        pointRadius: lines ? 2.5 : 0, order: name === data.subject ? 0 : 1, spanGaps: true,
      };
    }).filter((set) => set.data.some((value) => value !== null));
    const faint = css('--line'), soft = css('--soft');
    return {
      type: lines ? 'line' : 'bar',
      data: {labels, datasets},
      plugins: [whiskers],
      options: {
        animation: false, responsive: true, maintainAspectRatio: false,
        interaction: {mode: 'index', intersect: false},
        scales: {
          x: {title: {display: axis !== null, text: axis, color: soft},
            ticks: {color: soft, autoSkip: false}, grid: {display: false}},
          y: {type: most > 20 * least ? 'logarithmic' : 'linear', beginAtZero: true,
            title: {display: true, text: data.measures[measure], color: soft},
            ticks: {color: soft, maxTicksLimit: 7, callback: (value) => shown(Number(value))},
            grid: {color: faint}},
        },
        plugins: {
          legend: {labels: {color: css('--front'), boxWidth: 12, boxHeight: 12}},
          tooltip: {callbacks: {label: (item) => {
            const range = item.dataset.ranges[item.dataIndex];
            return `${item.dataset.label}: ${shown(item.raw)} (${range.map(shown).join('–')})`;
          }}},
        },
      },
    };
  };

  for (const place of document.querySelectorAll('.charts')) {
    const cells = data.cells.filter((cell) =>
      cell.workload === place.dataset.workload && cell.series.length > 0);
    if (cells.length === 0) continue;
    const measures = Object.keys(data.measures).filter((id) =>
      cells.some((cell) => cell.series.some((one) => one.values[id])));
    const chips = document.createElement('div'), grid = document.createElement('div');
    chips.className = 'chips';
    grid.className = 'grid';
    place.append(chips, grid);

    let drawn = [];
    const draw = (measure) => {
      for (const chart of drawn) chart.destroy();
      drawn = [];
      grid.replaceChildren();
      for (const chart of chartsOf(cells)) {
        const plot = document.createElement('div'), title = document.createElement('h3'),
          frame = document.createElement('div'), canvas = document.createElement('canvas');
        plot.className = 'plot';
        frame.className = 'canvas';
        title.textContent = chart.title;
        frame.append(canvas);
        if (chart.title) plot.append(title);
        plot.append(frame);
        grid.append(plot);
        drawn.push(new Chart(canvas, config(chart, measure)));
      }
      for (const chip of chips.children) {
        chip.setAttribute('aria-pressed', String(chip.dataset.measure === measure));
      }
    };
    for (const id of measures) {
      const chip = document.createElement('button');
      chip.type = 'button';
      chip.dataset.measure = id;
      chip.textContent = data.measures[id];
      chip.addEventListener('click', () => draw(id));
      chips.append(chip);
    }
    let chosen = cells[0].headline;
    if (!measures.includes(chosen)) chosen = measures[0];
    draw(chosen);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      draw(chips.querySelector('[aria-pressed="true"]').dataset.measure);
    });
  }
})();
