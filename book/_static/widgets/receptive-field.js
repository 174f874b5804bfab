// Teaches: each layer adds its window less one, times the product of the strides below it.
(() => {
  "use strict";

  const SIZE = 32; // pixels of a picture's line
  const LAYERS = {
    "conv 3": { window: 3, stride: 1, pad: 1 },
    "conv 5": { window: 5, stride: 1, pad: 2 },
    "conv 3, stride 2": { window: 3, stride: 2, pad: 1 },
    "pool 2": { window: 2, stride: 2, pad: 0 },
  };

  // After each layer: the values of a line, the pixels r that one sees, and the pixels t
  // between the views of neighbours.
  function stack(names, size = SIZE) {
    let [r, t] = [1, 1];
    return names.map((name) => {
      const { window, stride, pad } = LAYERS[name];
      size = 1 + Math.floor((size + 2 * pad - window) / stride);
      [r, t] = [r + (window - 1) * t, t * stride];
      return { size, r, t };
    });
  }

  // The first and last place that a value of the last layer sees, in every layer down to the
  // picture; places outside are zeros of the padding.
  function seen(names, unit) {
    const views = [[unit, unit]];
    for (const name of [...names].reverse()) {
      const { window, stride, pad } = LAYERS[name];
      const [first, last] = views[0];
      views.unshift([first * stride - pad, last * stride - pad + window - 1]);
    }
    return views;
  }

  if (typeof module !== "undefined") {
    module.exports = { SIZE, LAYERS, stack, seen };
    return;
  }

  const { add, button, drawing, h, hint, result, row, s, slider, text } = nndlWidgets;

  add("receptive-field", (stage) => {
    let [names, width] = [["conv 3", "pool 2", "conv 3"], 0];
    let unit = 8;
    const picture = h("div", { class: "widget-picture" });
    const said = result();
    const where = slider("value of the last layer", { min: 0, max: 15, value: unit }, (value) => ((unit = value), draw()));
    const more = Object.keys(LAYERS).map((name) => button(`+ ${name}`, () => change([...names, name])));
    const fewer = button("Remove the last", () => change(names.slice(0, -1)));
    stage.append(row(...more, fewer), row(where), hint("Touch a value of the uppermost line, or move the slider."), picture, said);

    // The chosen value stays in the middle when layers come and go.
    function change(layers) {
      const { size } = stack(layers).at(-1);
      names = layers;
      unit = Math.floor(size / 2);
      Object.assign(where.input, { max: size - 1, value: unit });
      where.tell();
      draw();
    }

    function draw() {
      if (!width) return;
      const layers = [{ size: SIZE, r: 1, t: 1 }, ...stack(names)];
      const views = seen(names, unit);
      const cell = Math.min(20, Math.floor((width - 4) / SIZE));
      const left = (width - cell * SIZE) / 2;
      const [line, high] = [62, Math.min(18, Math.max(12, cell))];
      const height = line * names.length + high + 30;
      const top = (l) => 22 + (names.length - l) * line;
      // A value is drawn over the middle of what it sees.
      const middle = (l, i) => left + cell * (seen(names.slice(0, l), i)[0].reduce((a, b) => a + b) / 2 + 0.5);
      const wides = layers.map(({ t }) => Math.min(cell * t * 0.9, cell * 2.2));
      const rows = layers.flatMap(({ size }, l) => {
        const label = l ? names[l - 1] : "picture";
        return [
          text(left, top(l) - 10, label, { "text-anchor": "start", class: "muted" }),
          ...Array.from({ length: size }, (_, i) => s("rect", {
            x: middle(l, i) - wides[l] / 2, y: top(l), width: wides[l], height: high, rx: 2,
            class: i >= views[l][0] && i <= views[l][1] ? (l ? "unit seen" : "unit seen pixel") : "unit",
          })),
        ];
      });
      const edge = (l, i, side) => middle(l, i) + (side * wides[l]) / 2;
      const cone = views.map(([first, last], l) => [edge(l, first, -1), edge(l, last, 1)]);
      const beams = cone.slice(1).map(([a, b], l) => s("polygon", { class: "beam", points:
        [[a, top(l + 1) + high], [b, top(l + 1) + high], [cone[l][1], top(l)], [cone[l][0], top(l)]].join(" ") }));
      const { r, t, size } = layers.at(-1);
      const drawn = drawing(width, height, `A line of ${SIZE} pixels under ${names.length} layers; value ${unit} of the last sees ${r} pixels`,
        ...beams, ...rows);
      drawn.classList.add("widget-touch");
      drawn.addEventListener("pointerdown", (event) => {
        const at = event.clientX - drawn.getBoundingClientRect().left;
        const distance = (i) => Math.abs(middle(names.length, i) - at);
        unit = [...Array(size).keys()].reduce((best, i) => (distance(i) < distance(best) ? i : best));
        where.input.value = unit;
        where.tell();
        draw();
      });
      picture.replaceChildren(drawn);
      more.forEach((made) => (made.disabled = names.length === 5 || size < 4));
      fewer.disabled = names.length === 1;

      const below = layers.at(-2);
      const { window, stride } = LAYERS[names.at(-1)];
      const [first, last] = views[0];
      const outside = Math.max(0, -first) + Math.max(0, last - SIZE + 1);
      said.textContent = `r = ${below.r} + (${window} − 1)·${below.t} = ${r} pixels, t = ${stride}·${below.t} = ${t}.` +
        (outside ? ` Of these, ${outside} lie outside, in the padding.` : "");
    }

    return (room) => {
      width = room;
      draw();
    };
  });
})();
