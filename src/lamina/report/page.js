// Draws the pictures in the colours of the page's theme, and lets a key's buttons show and hide models.
"use strict";
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

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
    const taps = layout.xaxis.range[1] - layout.xaxis.range[0];
    layout.xaxis.dtick = Math.max(1, Math.ceil((taps * 26) / inside));
    for (const label of labels) {
      const room = label.share * inside - 4;
      const wide = (text) => text.length * 6.2;
      const text = wide(label.long) <= room ? label.long : wide(label.short) <= room ? label.short : "";
      layout.annotations[label.index].text = text;
    }
  }

  function draw(holder) {
    const spec = JSON.parse(document.getElementById(holder.dataset.spec).textContent);
    const style = getComputedStyle(document.documentElement);
    const layout = paint(spec.layout, style);
    const data = paint(spec.data, style);
    for (const trace of data) trace.visible = !hidden.has(trace.meta);
    layout.width = holder.clientWidth;
    layout.hoverlabel = { bgcolor: resolve("paper", style), bordercolor: resolve("grey", style), align: "left",
      font: { color: resolve("ink", style) } };
    fit(layout, spec.labels, holder.clientWidth);
    return Plotly.react(holder, data, layout, { displayModeBar: false, responsive: false });
  }

  const hidden = new Set();
  const holders = Array.from(document.querySelectorAll("[data-spec]"));
  function drawAll() {
    // What lies in a closed fold has no width yet; it is drawn when the fold opens.
    return Promise.all(holders.filter((holder) => holder.clientWidth > 0).map(draw)).then(() => { document.documentElement.dataset.drawn = holders.length; });
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
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", drawAll);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawAll(); }
  });
  document.documentElement.classList.add("scripted");
  drawAll();
})();
