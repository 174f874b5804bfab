// Teaches: one value of a convolution is the sum of the products under the window, and the
// same weights are used at every place.
(() => {
  "use strict";

  // A ring of the embedded set in grey, a ninth of the pixels, from 0 (black) to 9 (white).
  const PICTURE = [
    [9, 9, 7, 3, 1, 2, 5, 8, 8, 8],
    [9, 7, 1, 1, 1, 1, 1, 2, 8, 8],
    [8, 1, 1, 2, 6, 4, 1, 0, 4, 8],
    [7, 1, 1, 7, 8, 7, 5, 0, 2, 8],
    [7, 1, 1, 8, 8, 7, 6, 0, 1, 7],
    [7, 1, 1, 4, 7, 7, 3, 1, 2, 7],
    [8, 5, 0, 0, 2, 1, 0, 0, 4, 6],
    [8, 7, 4, 0, 0, 0, 0, 4, 6, 6],
    [8, 7, 7, 6, 4, 4, 6, 6, 7, 6],
    [7, 7, 7, 6, 6, 7, 7, 7, 6, 6],
  ];

  const FILTERS = {
    "left and right edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "upper and lower edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "copy": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
  };

  // The products under the window whose top left corner is at (i, j).
  function products(x, w, i, j) {
    return w.map((weights, p) => weights.map((weight, q) => weight * x[i + p][j + q]));
  }

  const sum = (rows) => rows.flat().reduce((a, b) => a + b, 0);

  // out[i][j] = sum over p, q of w[p][q] * x[i + p][j + q]
  function convolve(x, w) {
    const places = (size, window) => [...Array(size - window + 1).keys()];
    return places(x.length, w.length).map((i) =>
      places(x[0].length, w[0].length).map((j) => sum(products(x, w, i, j))));
  }

  if (typeof module !== "undefined") {
    module.exports = { PICTURE, FILTERS, products, convolve };
    return;
  }

  const { add, drawing, factor, format, h, hint, onCell, player, result, row, s, slider, text } = nndlWidgets;

  function cells(values, cell, label, look, frame) {
    const size = values.length * cell;
    const drawn = values.flatMap((line, i) =>
      line.map((value, j) => {
        const { words, digits, ...style } = look(value);
        const square = s("rect", { x: j * cell, y: i * cell, width: cell, height: cell, class: "cell", ...style });
        return [square, text((j + 0.5) * cell, (i + 0.5) * cell, words, digits)];
      }));
    const { at: [i, j], side } = frame;
    const framed = { x: j * cell, y: i * cell, width: side * cell, height: side * cell, class: "frame" };
    return drawing(size, size, label, ...drawn.flat(), s("rect", framed));
  }

  // Pixels are shown as bright as they are, in a dark book too.
  const pixel = (value) => ({
    words: value,
    digits: { style: `fill: ${value < 5 ? "#fff" : "#000"}` },
    style: `fill: rgb(${value * 28}, ${value * 28}, ${value * 28})`,
  });

  add("filter", (stage) => {
    let weights = FILTERS["left and right edges"].map((line) => [...line]);
    let place = [2, 1];
    let width = 0;
    const side = PICTURE.length - 2;

    const picked = h("select", { onchange: () => choose(picked.value) },
      ...Object.keys(FILTERS).map((name) => h("option", {}, name)), h("option", { disabled: true }, "your own"));
    const inputs = weights.map((line, p) => line.map((weight, q) =>
      h("input", {
        type: "number", step: "any", value: weight, "aria-label": `weight, row ${p + 1}, column ${q + 1}`,
        oninput: (event) => {
          weights[p][q] = event.target.valueAsNumber || 0;
          picked.value = "your own";
          draw();
        },
      })));

    function choose(name) {
      weights = FILTERS[name].map((line) => [...line]);
      inputs.forEach((line, p) => line.forEach((input, q) => (input.value = weights[p][q])));
      draw();
    }

    const where = slider("window at",
      { min: 1, max: side * side, value: place[0] * side + place[1] + 1, show: () => `(${place.join(", ")})` },
      (value) => move(Math.floor((value - 1) / side), (value - 1) % side));
    where.input.addEventListener("keydown", (event) => {
      const lines = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!lines) return;
      event.preventDefault();
      move(place[0] + lines, place[1]);
    });

    function move(i, j) {
      const inside = (value) => Math.min(side - 1, Math.max(0, value));
      place = [inside(i), inside(j)];
      where.input.value = place[0] * side + place[1] + 1;
      where.tell();
      draw();
    }

    const [before, after] = [h("div", {}), h("div", {})];
    const spelled = h("ol", { class: "widget-sum" });
    const total = result();
    stage.append(
      row(h("label", {}, "filter ", picked), where, player("Slide", where, 120)),
      hint("Touch a place of the picture or of the output, or press the arrow keys on the slider. Change the weights."),
      h("div", { class: "widget-panels" },
        h("div", {}, h("p", {}, "picture"), before),
        h("div", {}, h("p", {}, "weights"), h("div", { class: "widget-weights" }, ...inputs.flat())),
        h("div", {}, h("p", {}, "output"), after)),
      spelled, total);

    function draw() {
      const [i, j] = place;
      const out = convolve(PICTURE, weights);
      const largest = Math.max(1e-9, ...out.flat().map(Math.abs));
      const digits = out.flat().every(Number.isInteger) ? 0 : 1;
      // Both grids and the weights side by side, or one above the other.
      const apart = width < 560;
      const small = apart ? Math.min(30, Math.floor(width / 10)) : Math.min(26, Math.floor((width - 190) / 20.8));
      const large = apart ? small : Math.min(29, Math.floor(small * 1.35));
      const value = (v) => ({
        words: format(v, digits),
        class: v < 0 ? "cell negative" : "cell positive",
        digits: { style: "font-size: 12px" },
        style: `fill-opacity: ${(0.6 * Math.abs(v)) / largest}`,
      });
      const pictured = cells(PICTURE, small, `The picture, with the window at ${i}, ${j}`, pixel, { at: place, side: 3 });
      const mapped = cells(out, large, `The output, with the value at ${i}, ${j} framed`, value, { at: place, side: 1 });
      before.replaceChildren(onCell(pictured, small, (a, b) => move(a - 1, b - 1)));
      after.replaceChildren(onCell(mapped, large, move));
      spelled.replaceChildren(...weights.map((line, p) =>
        h("li", {}, line.map((w, q) => `${factor(w, 4)} · ${PICTURE[i + p][j + q]}`).join(" + "))));
      total.textContent = `The sum at (${i}, ${j}) is ${format(out[i][j], 3)}.`;
    }

    return (room) => {
      width = room;
      draw();
    };
  });
})();
