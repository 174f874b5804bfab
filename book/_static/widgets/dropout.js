// Teaches: any one mask is far off; divided by p, the masks together give the input back.
(() => {
  "use strict";

  const X = [1, 2, 3, 4, 5, 6];

  // `u` holds a random number from [0, 1) for each unit, which is kept where it is below p.
  function dropout(x, u, p, divided = true) {
    return x.map((value, d) => (u[d] < p ? value / (divided ? p : 1) : 0));
  }

  // The mean over all masks, and the standard deviation of the sum of the units.
  function expected(x, p, divided = true) {
    const keep = divided ? 1 : p;
    const squares = x.reduce((sum, value) => sum + value * value, 0);
    return { mean: x.map((value) => keep * value), sd: keep * Math.sqrt(((1 - p) / p) * squares) };
  }

  // Numbers from [0, 1) that are the same for every reader (mulberry32, as good as a widget needs).
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  if (typeof module !== "undefined") {
    module.exports = { X, dropout, expected, random };
    return;
  }

  const { add, button, checkbox, drawing, format, h, result, row, s, slider, text } = nndlWidgets;

  add("dropout", (stage) => {
    let [p, divided, width] = [0.5, true, 0];
    let next, count, totals, out;
    const picture = h("div", { class: "widget-picture" });
    const said = result();

    function restart() {
      next = random(4);
      count = 0;
      totals = X.map(() => 0);
      more(1);
    }

    function more(masks) {
      for (let k = 0; k < masks; k++) {
        out = dropout(X, X.map(next), p, divided);
        totals = totals.map((total, d) => total + out[d]);
        count += 1;
      }
      draw();
    }

    stage.append(
      row(
        slider("keep probability p", { min: 0.2, max: 1, step: 0.05, value: p }, (value) => ((p = value), restart())),
        checkbox("divide by p", divided, (on) => ((divided = on), restart()))),
      row(button("Draw a mask", () => more(1)), button("Draw 100", () => more(100)), button("Start over", restart)),
      picture, said);

    function draw() {
      if (!width) return;
      const [height, base, left] = [250, 206, 34];
      const top = Math.max(6, (divided ? 6 / p : 6)) * 1.05;
      const y = (value) => base - (base - 32) * (value / top);
      const wide = (width - left) / X.length;
      const ticks = [0, 2, 4, 6, 8, 10, 15, 20, 25, 30].filter((tick) => tick < top && (top < 14 || tick % 5 === 0));
      const axis = ticks.map((tick) => [
        s("line", { x1: left, x2: width, y1: y(tick), y2: y(tick), class: "grid" }),
        text(left - 8, y(tick), tick, { "text-anchor": "end", class: "muted" }),
      ]);
      const units = X.map((value, d) => {
        const x = left + d * wide;
        const mean = totals[d] / count;
        return [
          s("rect", { x: x + wide * 0.16, y: y(out[d]), width: wide * 0.68, height: base - y(out[d]), class: "bar" }),
          s("rect", { x: x + wide * 0.16, y: y(value), width: wide * 0.68, height: base - y(value), class: "outline" }),
          s("line", { x1: x + wide * 0.06, x2: x + wide * 0.94, y1: y(mean), y2: y(mean), class: "mean" }),
          text(x + wide / 2, base + 14, out[d] ? "kept" : "zero", { class: out[d] ? "" : "muted" }),
          text(x + wide / 2, base + 33, format(mean), { class: "vermilion" }),
        ];
      });
      const key = [
        s("rect", { x: left, y: 4, width: 14, height: 12, class: "outline" }), text(left + 20, 10, "input", { "text-anchor": "start" }),
        s("rect", { x: left + 70, y: 4, width: 14, height: 12, class: "bar" }), text(left + 90, 10, "output", { "text-anchor": "start" }),
        s("line", { x1: left + 146, x2: left + 164, y1: 10, y2: 10, class: "mean" }),
        text(left + 170, 10, "mean so far", { "text-anchor": "start", class: "vermilion" }),
      ];
      const label = `Six units. Input ${X.join(", ")}; output under the last mask ${out.map((v) => format(v)).join(", ")}; ` +
        `mean over ${count} masks ${totals.map((total) => format(total / count)).join(", ")}`;
      picture.replaceChildren(drawing(width, height, label, ...key, ...axis.flat(), ...units.flat()));

      const sum = (values) => values.reduce((a, b) => a + b, 0);
      const { mean, sd } = expected(X, p, divided);
      said.textContent = `A unit that adds them up receives ${format(sum(out))} under this mask, ` +
        `${format(sum(totals) / count)} on average over ${count} mask${count > 1 ? "s" : ""}; expected are ` +
        `${format(sum(mean))} ± ${format(sd)} a mask. At test time it receives ${sum(X)}.`;
    }

    restart();
    return (room) => {
      width = room;
      draw();
    };
  });
})();
