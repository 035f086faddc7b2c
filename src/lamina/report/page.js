// Draws the charts in the colours of the page's theme; lets readers choose what is drawn, hide lines, read the values
// and take the data along. Everything it shows is packed in the page.
"use strict";
(async function () {
  if (!window.DecompressionStream) return; // a line says where the pictures are
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  async function unpack(id) {
    const text = atob(document.getElementById(id).textContent);
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }
  const payload = JSON.parse(await unpack("payload"));
  if (payload.charts.length) {
    const library = document.createElement("script");
    library.textContent = await unpack("plotly");
    document.head.append(library);
  }

  // "series-3", "grey", "grey/0.2", "ink", "line", "paper" are names of CSS variables of the page.
  function paint(value, style) {
    if (Array.isArray(value)) return value.map((item) => paint(item, style));
    if (value && typeof value === "object") {
      const out = {};
      for (const key of Object.keys(value)) {
        const named = /color$/.test(key) && typeof value[key] === "string" && !/^rgb/.test(value[key]);
        out[key] = named ? resolve(value[key], style) : paint(value[key], style);
      }
      return out;
    }
    return value;
  }
  function resolve(name, style) {
    const [variable, alpha] = name.split("/");
    const hex = style.getPropertyValue("--" + variable).trim();
    if (!alpha) return hex;
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return "rgba(" + [part(1), part(3), part(5), alpha].join(",") + ")";
  }

  // Depths and block names where they fit, else the period alone, else nothing.
  function fit(layout, labels, width) {
    const inside = width - layout.margin.l - layout.margin.r;
    if (layout.xaxis.dtick || layout.xaxis.tick0 === 0) {
      const taps = layout.xaxis.range[1] - layout.xaxis.range[0];
      layout.xaxis.dtick = Math.max(1, Math.ceil((taps * 26) / inside));
    } else if (layout.xaxis.nticks) layout.xaxis.nticks = Math.max(3, Math.min(layout.xaxis.nticks, Math.floor(inside / 55)));
    const { tickvals, ticktext } = layout.xaxis;
    if (tickvals && inside < 300) { // every other one
      layout.xaxis.tickvals = tickvals.filter((_, place) => place % 2 === 0);
      layout.xaxis.ticktext = ticktext.filter((_, place) => place % 2 === 0);
    }
    for (const label of labels) {
      const room = label.share * inside - 4;
      const wide = (text) => text.length * 6.2;
      const text = wide(label.long) <= room ? label.long : wide(label.short) <= room ? label.short : "";
      layout.annotations[label.index].text = text;
    }
  }

  const hidden = new Set();
  const charts = payload.charts.map((told) => {
    const figure = document.querySelector('[data-chart="' + told.slug + '"]');
    return { told, figure, shown: told.drawings[0], plot: figure.querySelector(".plot"),
      selects: Array.from(figure.querySelectorAll("select")) };
  });

  function figureOf(shown, style, width) {
    const layout = paint(shown.spec.layout, style);
    const data = paint(shown.spec.data, style);
    for (const trace of data) trace.visible = !hidden.has(trace.meta);
    layout.width = width;
    layout.hoverlabel = { bgcolor: resolve("paper", style), bordercolor: resolve("grey", style), align: "left",
      font: { color: resolve("ink", style) } };
    fit(layout, shown.spec.labels, width);
    return { data, layout };
  }
  function draw(chart) {
    const { data, layout } = figureOf(chart.shown, getComputedStyle(root), chart.plot.clientWidth);
    return Plotly.react(chart.plot, data, layout, { displayModeBar: false, responsive: false });
  }

  // The drawing that has what was chosen last and as much as there is of the other choices.
  function choose(chart, changed) {
    const wanted = new Map(chart.selects.map((select) => [Number(select.dataset.choice), Number(select.value)]));
    const score = (drawing) => {
      let sum = 0;
      for (const [place, value] of wanted) if (drawing.chosen[place] === value) sum += place === changed ? 100 : 10 - place;
      return sum;
    };
    chart.shown = chart.told.drawings.reduce((best, each) => (score(each) > score(best) ? each : best));
    tell(chart);
    return draw(chart);
  }

  // Words, links, key and values of the drawing that is shown.
  function tell(chart) {
    const { shown, figure } = chart;
    chart.plot.setAttribute("aria-label", shown.alt);
    figure.querySelector(".caption").textContent = shown.caption;
    const drawn = new Set(shown.spec.data.map((trace) => trace.meta));
    for (const button of figure.querySelectorAll("button[data-series]")) {
      button.disabled = !drawn.has(button.dataset.series);
    }
    for (const select of chart.selects) select.value = shown.chosen[Number(select.dataset.choice)];
    if (figure.querySelector(".values").open) values(chart);
  }

  const COLUMNS = ["model", "control", "tap", "depth", "period_ms", "measure", "target", "value", "low", "high", "n", "seed"];
  function rows(shown, names) {
    if (shown.rows) return [shown.columns, shown.rows];
    const at = names.map((name) => payload.columns.indexOf(name));
    return [names, shown.scores.map((place) => at.map((column) => payload.scores[place][column]))];
  }
  function values(chart) {
    const [columns, cells] = rows(chart.shown, COLUMNS);
    const table = document.createElement("table");
    const caption = table.createCaption().appendChild(document.createElement("span"));
    caption.textContent = chart.shown.title;
    const head = table.createTHead().insertRow();
    for (const column of columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = column.replace("_ms", " (ms)").replaceAll("_", " ");
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of cells) {
      const line = body.insertRow();
      for (const value of row) {
        const cell = line.insertCell();
        cell.textContent = value === null ? "" : typeof value === "number" && !Number.isInteger(value)
          ? value.toPrecision(5) : String(value);
        if (typeof value !== "number" && value !== null) cell.className = "text";
      }
    }
    chart.figure.querySelector(".values .scroll").replaceChildren(table);
  }

  // No text is a formula for a spreadsheet (as in lamina.files.csv_cell).
  function csv(columns, cells) {
    const field = (value) => {
      if (value === null) return "";
      const text = typeof value === "string" && /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value) ? "'" + value : String(value);
      return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
    };
    return [columns, ...cells].map((row) => row.map(field).join(",")).join("\n") + "\n";
  }
  // What the page holds is given out of the page: no file need lie beside it.
  function give(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  // In the colours of paper, whatever the theme of the page.
  async function onPaper(shown) {
    const figure = figureOf(shown, getComputedStyle(document.querySelector(".on-paper")), 900);
    const url = await Plotly.toImage(figure, { format: "svg", width: 900, height: figure.layout.height });
    give(shown.slug + ".svg", decodeURIComponent(url.slice(url.indexOf(",") + 1)), "image/svg+xml");
  }

  function drawAll() {
    return Promise.all(charts.map(draw)).then(() => { root.dataset.drawn = charts.length; });
  }

  for (const chart of charts) {
    for (const select of chart.selects) {
      select.addEventListener("change", () => choose(chart, Number(select.dataset.choice)));
    }
    chart.figure.querySelector(".values").addEventListener("toggle", (event) => { if (event.target.open) values(chart); });
    for (const button of chart.figure.querySelectorAll(".downloads button")) {
      button.addEventListener("click", () => {
        const { shown } = chart;
        if (button.dataset.kind === "svg") onPaper(shown);
        else give(shown.slug + ".csv", csv(...rows(shown, payload.columns)), "text/csv");
      });
    }
    tell(chart);
  }
  for (const button of document.querySelectorAll("button[data-series]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.series;
      if (hidden.has(name)) hidden.delete(name); else hidden.add(name);
      for (const twin of document.querySelectorAll("button[data-series]")) {
        if (twin.dataset.series === name) twin.setAttribute("aria-pressed", String(!hidden.has(name)));
      }
      drawAll();
    });
  }
  dark.addEventListener("change", drawAll);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawAll(); }
  });
  window.addEventListener("load", drawAll); // once more: a scroll bar may have come
  await drawAll();
})();
