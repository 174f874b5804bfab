// Teaches: a learning rate belongs to its rule; what makes one crawl makes another diverge.
(() => {
  "use strict";

  // The valley of the chapter: twenty times as curved across as it is along.
  const CURVATURES = [1, 20];
  const START = [-10, 1];
  const STEPS = 60;

  const each = (f, ...arrays) => arrays[0].map((_, i) => f(...arrays.map((array) => array[i])));
  const loss = (w) => 0.5 * each((c, wi) => c * wi * wi, CURVATURES, w).reduce((a, b) => a + b);
  const gradient = (w) => each((c, wi) => c * wi, CURVATURES, w);

  // As nndl.optim writes them: (w, dw, rate, memory) gives the next w, and memory is changed.
  const RULES = {
    sgd: (w, dw, rate) => each((wi, g) => wi - rate * g, w, dw),
    sgd_momentum: (w, dw, rate, memory) => {
      memory.v = each((v, g) => 0.9 * v - rate * g, memory.v, dw);
      return each((wi, v) => wi + v, w, memory.v);
    },
    sgd_nesterov_momentum: (w, dw, rate, memory) => {
      const old = memory.v;
      memory.v = each((v, g) => 0.9 * v - rate * g, old, dw);
      return each((wi, v, before) => wi + v + 0.9 * (v - before), w, memory.v, old);
    },
    rmsprop: (w, dw, rate, memory) => {
      memory.v = each((a, g) => 0.99 * a + 0.01 * g * g, memory.v, dw);
      return each((wi, g, a) => wi - (rate * g) / (Math.sqrt(a) + 1e-8), w, dw, memory.v);
    },
    adam: (w, dw, rate, memory) => {
      memory.t += 1;
      memory.m = each((m, g) => 0.9 * m + 0.1 * g, memory.m, dw);
      memory.v = each((v, g) => 0.999 * v + 0.001 * g * g, memory.v, dw);
      const [first, second] = [1 - 0.9 ** memory.t, 1 - 0.999 ** memory.t];
      return each((wi, m, v) => wi - (rate * (m / first)) / (Math.sqrt(v / second) + 1e-8), w, memory.m, memory.v);
    },
  };

  // The points that a rule visits, the first one included.
  function race(rule, rate, steps) {
    const memory = { v: [0, 0], m: [0, 0], t: 0 };
    const path = [START];
    for (let step = 0; step < steps; step++) {
      const w = path[step];
      path.push(RULES[rule](w, gradient(w), rate, memory));
    }
    return path;
  }

  if (typeof module !== "undefined") {
    module.exports = { START, STEPS, loss, gradient, race };
    return;
  }

  const { add, drawing, format, h, player, result, row, s, slider, text } = nndlWidgets;

  const LOST = 1e4; // a loss far above that of the start, 60

  // With the looks that they have in the chapter.
  const RUNNERS = [
    ["sgd", "SGD", "black"],
    ["sgd_momentum", "momentum", "vermilion"],
    ["sgd_nesterov_momentum", "Nesterov", "orange"],
    ["rmsprop", "RMSProp", "green"],
    ["adam", "Adam", "blue"],
  ];
  const MARKS = {
    black: (x, y) => s("circle", { cx: x, cy: y, r: 5 }),
    vermilion: (x, y) => s("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
    orange: (x, y) => s("path", { d: `M${x} ${y - 6}l6 10h-12z` }),
    green: (x, y) => s("path", { d: `M${x} ${y - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z` }),
    blue: (x, y) => s("path", { d: `M${x} ${y + 6}l6 -10h-12z` }),
  };

  add("optimizers", (stage) => {
    const shown = new Set(RUNNERS.map(([rule]) => rule));
    let [rate, step, width] = [0.05, 20, 0];
    const paths = {};
    const run = () => RUNNERS.forEach(([rule]) => (paths[rule] = race(rule, rate, STEPS)));

    const picture = h("div", { class: "widget-picture" });
    const losses = {};
    const runners = RUNNERS.map(([rule, name, colour]) => {
      const box = h("input", { type: "checkbox", checked: true, onchange: () => {
        shown[box.checked ? "add" : "delete"](rule);
        draw();
      } });
      losses[rule] = h("b", {});
      const mark = s("svg", { width: 16, height: 16, class: `runner ${colour}`, "aria-hidden": "true" }, MARKS[colour](8, 8));
      return h("li", {}, h("label", {}, box, mark, name), losses[rule]);
    });
    const said = result();
    const steps = slider("step", { min: 0, max: STEPS, value: step }, (value) => ((step = value), draw()));
    stage.append(
      row(
        slider("learning rate η", { min: -2.5, max: -0.1, step: 0.05, value: Math.log10(rate), show: (v) => format(10 ** v, 3) },
          (value) => ((rate = 10 ** value), run(), draw())),
        steps, player("Run", steps, 90)),
      picture,
      h("ul", { class: "widget-runners", "aria-label": "loss of each rule" }, ...runners),
      said);

    function draw() {
      if (!width) return;
      const [height, xs, ys] = [Math.min(300, Math.max(220, width * 0.42)), [-11.5, 5], [-1.7, 1.7]];
      const x = (value) => (width * (value - xs[0])) / (xs[1] - xs[0]);
      const y = (value) => (height * (ys[1] - value)) / (ys[1] - ys[0]);
      const contours = [0.4, 2, 5, 10, 18, 28, 42, 60, 85].map((level) => s("ellipse", {
        cx: x(0), cy: y(0), class: "contour",
        rx: x(Math.sqrt(2 * level)) - x(0), ry: y(0) - y(Math.sqrt((2 * level) / 20)),
      }));
      const runs = RUNNERS.filter(([rule]) => shown.has(rule)).map(([rule, , colour]) => {
        // A path that diverges is drawn on its way out, not on all its leaps across.
        const visited = paths[rule].slice(0, step + 1);
        const lost = visited.findIndex((w) => loss(w) > LOST);
        const points = (lost < 0 ? visited : visited.slice(0, lost)).map(([a, b]) => [x(a), y(b)]);
        return s("g", { class: colour },
          s("polyline", { points: points.join(" "), class: "path" }),
          ...points.map(([a, b]) => s("circle", { cx: a, cy: b, r: 1.7 })), MARKS[colour](...points.at(-1)));
      });
      const minimum = text(x(0), y(0), "★", { class: "star" });
      const label = `Paths of ${shown.size} rules after ${step} steps on lines of equal loss`;
      picture.replaceChildren(drawing(width, height, label, ...contours, minimum, ...runs));

      const now = RUNNERS.map(([rule]) => [rule, loss(paths[rule][step])]);
      for (const [rule, value] of now) losses[rule].textContent = value > LOST ? "diverges" : format(value, 3);
      const racing = RUNNERS.filter(([rule]) => shown.has(rule)).map(([rule, name]) => [loss(paths[rule][step]), name]);
      const [value, name] = [...racing].sort(([a], [b]) => a - b)[0] ?? [NaN, "nobody"];
      const gone = racing.filter(([lost]) => lost > loss(START)).map(([, other]) => other);
      said.textContent = `η = ${format(rate, 3)}, step ${step}: ${name} leads with a loss of ${format(value, 3)}.` +
        (gone.length ? ` Above the start: ${gone.join(", ")}.` : "");
    }

    run();
    return (room) => {
      width = room;
      draw();
    };
  });
})();
