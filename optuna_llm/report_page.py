"""The shell of the report: its HTML, its style, and the few lines of script that it needs."""

from __future__ import annotations

from string import Template


# The policy forbids the page, and Plotly's code in it, to load anything from anywhere.
PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
 script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:;
 base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
<p>$subtitle</p>
<p class="note">Written by optuna-llm on $date</p>
</header>
<main>
$sections
</main>
<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>
<script>$plotly</script>
<script>$script</script>
</body>
</html>
""")

STYLE = """
:root {
  --ink: #262c36; --faint: #667080; --line: #e1e5ea; --page: #f5f6f8; --card: #ffffff;
  --accent: #1a6fb5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #dfe3e9; --faint: #98a2b0; --line: #353b45; --page: #14171b; --card: #1d2126;
    --accent: #6cb4f0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1100px; padding: 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 0 0 .6rem; }
header p { margin: .2rem 0; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem;
  margin: 1rem 0;
}
.note, .note * { color: var(--faint); font-size: .875rem; }
.best span { color: var(--accent); font-size: 2rem; font-weight: 600; margin-right: .3rem; }
blockquote {
  border-left: 3px solid var(--line); color: var(--faint); margin: 0 0 1rem; padding-left: .8rem;
}
.scroll { overflow: auto; max-height: 36rem; margin-bottom: .8rem; }
table { border-collapse: collapse; font-size: .875rem; }
th, td {
  border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; text-align: left;
  vertical-align: top;
}
thead th { background: var(--card); position: sticky; top: 0; white-space: nowrap; }
td { white-space: nowrap; }
table:not([data-sortable]) :is(th, td) { white-space: normal; }
td.number { font-variant-numeric: tabular-nums; }
td.text { white-space: normal; overflow-wrap: anywhere; }
td.reason { min-width: 16rem; white-space: normal; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:hover, th button:focus-visible { color: var(--accent); text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
summary { cursor: pointer; }
pre { overflow: auto; font-size: .8125rem; }
.figure { min-height: 8rem; }
@media (max-width: 640px) {
  body { padding: .5rem; }
  section { padding: .75rem; }
}
@media print { .scroll { max-height: none; overflow: visible; } }
"""

SCRIPT = """
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const places = [...document.querySelectorAll(".figure")].map(
    (place) => [place, JSON.parse(place.nextElementSibling.textContent)]);

  // Figures take the page's colours. On a narrow screen their panels stand in one column, and a
  // finger that moves over them scrolls the page.
  const fitted = (original) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, faint, line] = ["--ink", "--faint", "--line"].map(
      (name) => style.getPropertyValue(name).trim());
    const layout = structuredClone(original);
    layout.font = {...layout.font, color: ink, family: "system-ui, sans-serif"};
    layout.modebar = {bgcolor: "rgba(0,0,0,0)", color: faint, activecolor: ink};
    layout.dragmode = narrow.matches ? false : "zoom";
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\\d*$/.test(key));
    for (const key of axes) {
      layout[key] = {...layout[key], gridcolor: line, linecolor: line, zerolinecolor: line};
    }
    if (layout.grid && narrow.matches) {
      const frame = layout.margin.t + layout.margin.b;
      const rowHeight = (layout.height - frame) / layout.grid.rows;
      layout.grid.rows = axes.filter((key) => key.startsWith("x")).length;
      layout.grid.columns = 1;
      layout.height = frame + rowHeight * layout.grid.rows;
    }
    return layout;
  };
  const draw = () => {
    for (const [place, figure] of places) {
      Plotly.react(place, figure.data, fitted(figure.layout), {
        responsive: true, displaylogo: false, displayModeBar: narrow.matches ? false : "hover",
        showSendToCloud: false, plotlyServerURL: "",
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      });
    }
  };
  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);

  // Numbers before text, each in its own order.
  const key = (row, column) => {
    const cell = row.cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b || 0 : a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => sign * compare(key(a, column), key(b, column)));
      table.tBodies[0].append(...rows);
    }));
  }
})();
"""
