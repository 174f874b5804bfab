// Teaches: the normalizations differ only in which numbers share a mean and a variance.
(() => {
  "use strict";

  // Feature maps of 3 pictures with 4 channels of 2 by 2 pixels.
  const BLOCK = [
    [[[1, 3], [2, 2]], [[5, 7], [6, 6]], [[0, 2], [1, 5]], [[8, 8], [9, 7]]],
    [[[2, 6], [4, 4]], [[9, 5], [7, 3]], [[1, 1], [2, 4]], [[6, 4], [8, 6]]],
    [[[0, 4], [8, 0]], [[6, 2], [4, 8]], [[3, 3], [0, 2]], [[5, 9], [7, 7]]],
  ];
  const GROUPS = 2; // of group normalization
  const EPS = 1e-5;

  // Entries with the same name share their statistics.
  const SHARED = {
    "batch": (n, c) => `channel ${c + 1} of all pictures`,
    "layer": (n) => `picture ${n + 1}`,
    "instance": (n, c) => `channel ${c + 1} of picture ${n + 1}`,
    "group": (n, c, C) => {
      const size = C / GROUPS;
      const first = Math.floor(c / size) * size + 1;
      return `channels ${first} to ${first + size - 1} of picture ${n + 1}`;
    },
  };

  // For each set of entries: its name, count, mean and variance.
  function statistics(x, kind) {
    const sets = new Map();
    x.forEach((picture, n) => picture.forEach((map, c) => {
      const name = SHARED[kind](n, c, picture.length);
      sets.set(name, [...(sets.get(name) ?? []), ...map.flat()]);
    }));
    return new Map([...sets].map(([name, values]) => {
      const mean = values.reduce((a, b) => a + b) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      return [name, { count: values.length, mean, variance }];
    }));
  }

  function normalize(x, kind) {
    const sets = statistics(x, kind);
    return x.map((picture, n) => picture.map((map, c) => {
      const { mean, variance } = sets.get(SHARED[kind](n, c, picture.length));
      return map.map((line) => line.map((value) => (value - mean) / Math.sqrt(variance + EPS)));
    }));
  }

  if (typeof module !== "undefined") {
    module.exports = { BLOCK, SHARED, statistics, normalize };
    return;
  }

  const { add, choice, format, h, hint, result, row } = nndlWidgets;

  add("norms", (stage) => {
    const kinds = { "batch norm": "batch", "layer norm": "layer", "instance norm": "instance", "group norm, G = 2": "group" };
    let kind = "batch";
    let at = [0, 1, 0, 0]; // the chosen entry: n, c, h, w
    const [N, C, H, W] = [3, 4, 2, 2];
    const entries = new Map();

    function entry(n, c, i, j) {
      const made = h("button", {
        type: "button", onclick: () => choose([n, c, i, j]),
        "aria-label": `picture ${n + 1}, channel ${c + 1}, row ${i + 1}, column ${j + 1}: ${BLOCK[n][c][i][j]}`,
      }, String(BLOCK[n][c][i][j]));
      entries.set([n, c, i, j].join(), made);
      return made;
    }

    const heads = BLOCK[0].map((_, c) => h("th", { scope: "col" }, `channel ${c + 1}`));
    const lines = BLOCK.map((picture, n) => h("tr", {},
      h("th", { scope: "row" }, `picture ${n + 1}`),
      ...picture.map((map, c) => h("td", {}, h("div", { class: "widget-map" },
        ...map.flatMap((line, i) => line.map((_, j) => entry(n, c, i, j))))))));
    const table = h("table", { class: "widget-block" },
      h("thead", {}, h("tr", {}, h("td", {}), ...heads)), h("tbody", {}, ...lines));
    const said = result();
    stage.append(
      row(choice("normalization", Object.keys(kinds), "batch norm", (name) => {
        kind = kinds[name];
        draw();
      })), hint("Choose a number, by touch or with the arrow keys."), table, said);

    // One stop for the tabulator; arrows move within the block, from map to map.
    table.addEventListener("keydown", (event) => {
      const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
      if (down === undefined) return;
      event.preventDefault();
      const [n, c, i, j] = at;
      const line = (n * H + i + down + N * H) % (N * H);
      const column = (c * W + j + right + C * W) % (C * W);
      choose([Math.floor(line / H), Math.floor(column / W), line % H, column % W]);
      entries.get(at.join()).focus();
    });

    function choose(place) {
      at = place;
      draw();
    }

    function draw() {
      const [n, c, i, j] = at;
      const name = SHARED[kind](n, c, C);
      const { count, mean, variance } = statistics(BLOCK, kind).get(name);
      for (const [key, made] of entries) {
        const [m, d] = key.split(",").map(Number);
        const chosen = key === at.join();
        made.classList.toggle("shared", SHARED[kind](m, d, C) === name);
        made.setAttribute("aria-pressed", chosen);
        made.tabIndex = chosen ? 0 : -1;
      }
      const value = BLOCK[n][c][i][j];
      const out = normalize(BLOCK, kind)[n][c][i][j];
      const minus = mean < 0 ? `+ ${format(-mean)}` : `− ${format(mean)}`;
      said.textContent = `This ${value} shares its statistics with the ${count} numbers of ${name}: ` +
        `mean ${format(mean)}, variance ${format(variance)}. It becomes (${value} ${minus}) / ` +
        `√(${format(variance)} + ε) = ${format(out)}.`;
    }

    return draw;
  });
})();
