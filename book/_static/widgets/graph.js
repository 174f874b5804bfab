// Teaches: each node multiplies the gradient that arrives by its own derivative, and hands it on.
(() => {
  "use strict";

  // L = max(0, w x + b)^2 / 2, forward node by node and back.
  function network({ x, w, b }) {
    const a = w * x;
    const z = a + b;
    const r = Math.max(0, z);
    const L = 0.5 * r * r;
    const dL = 1;
    const dr = dL * r;
    const dz = dr * (z > 0 ? 1 : 0);
    const [da, db] = [dz, dz];
    const [dw, dx] = [da * x, da * w];
    return { x, w, b, a, z, r, L, dL, dr, dz, da, db, dw, dx };
  }

  if (typeof module !== "undefined") {
    module.exports = { network };
    return;
  }

  const { add, button, drawing, factor, format, h, result, row, s, text } = nndlWidgets;

  const NODES = { x: [0, 0.3], w: [0, 1.7], "×": [1.15, 1], b: [1.5, 2], "+": [2.4, 1], ReLU: [3.6, 1], "½(·)²": [4.9, 1], L: [6, 1] };
  // From, to, and the name of the value that flows along the edge.
  const EDGES = [
    ["x", "×", "x"], ["w", "×", "w"], ["×", "+", "a"], ["b", "+", "b"], ["+", "ReLU", "z"], ["ReLU", "½(·)²", "r"], ["½(·)²", "L", "L"],
  ];
  // What each step shows, the node at work, and what it says.
  const STEPS = [
    [["x", "w", "b"], null, () => "The inputs are there. Forward: from left to right."],
    [["a"], "×", (v) => `The product: ${factor(v.w)} · ${factor(v.x)} = ${format(v.a)}.`],
    [["z"], "+", (v) => `The sum: ${format(v.a)} + ${factor(v.b)} = ${format(v.z)}.`],
    [["r"], "ReLU", (v) => `The ReLU: max(0, ${format(v.z)}) = ${format(v.r)}.`],
    [["L"], "½(·)²", (v) => `Half the square: ½ · ${format(v.r)}² = ${format(v.L)}.`],
    [["dL"], "L", () => "Backward: from right to left. dL/dL = 1."],
    [["dr"], "½(·)²", (v) => `The derivative of ½r² is r: 1 · ${format(v.r)} = ${format(v.dr)}.`],
    [["dz"], "ReLU", (v) => `The ReLU's derivative is ${v.z > 0 ? "1, its input is above 0" : "0, its input is not above 0"}: ` +
      `${format(v.dr)} · ${v.z > 0 ? 1 : 0} = ${format(v.dz)}.`],
    [["da", "db"], "+", (v) => `A sum hands its gradient, ${format(v.dz)}, to both inputs.`],
    [["dx", "dw"], "×", (v) => `A product multiplies by the other input: dw = ${format(v.da)} · ${factor(v.x)} = ${format(v.dw)}, ` +
      `dx = ${format(v.da)} · ${factor(v.w)} = ${format(v.dx)}.`],
  ];

  add("graph", (stage) => {
    const inputs = { x: 2, w: 3, b: -1 };
    let [step, width] = [0, 0];
    const picture = h("div", { class: "widget-picture" });
    const said = result();
    const go = (to) => () => {
      step = Math.max(0, Math.min(STEPS.length - 1, to()));
      draw();
    };
    const back = button("Back", go(() => step - 1));
    const forth = button("Step", go(() => step + 1));
    const number = (name) => h("label", {}, `${name} = `, h("input", {
      type: "number", step: "any", value: inputs[name],
      oninput: (event) => {
        inputs[name] = event.target.valueAsNumber || 0;
        draw();
      },
    }));
    stage.append(
      row(...Object.keys(inputs).map(number), back, forth, button("All", go(() => STEPS.length)), button("Start over", go(() => 0))),
      picture, said);

    function draw() {
      if (!width) return;
      const values = network(inputs);
      const shown = new Set(STEPS.slice(0, step + 1).flatMap(([names]) => names));
      const fresh = new Set(STEPS[step][0]);
      const busy = STEPS[step][1];
      // From left to right where there is room, else from top to bottom.
      const wide = width >= 560;
      const unit = wide ? Math.min(112, (width - 60) / 6) : 66;
      const margin = wide ? (width - 6 * unit) / 2 : 26;
      const apart = 1.6 * unit;
      const place = ([along, across]) => (wide
        ? [margin + along * unit, 26 + across * 82]
        : [width / 2 + (across - 1) * apart, margin + along * unit]);

      const edges = EDGES.map(([from, to, name]) => {
        const [[x0, y0], [x1, y1]] = [place(NODES[from]), place(NODES[to])];
        const length = Math.hypot(x1 - x0, y1 - y0);
        const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
        const [mx, my] = [(x0 + x1) / 2, (y0 + y1) / 2];
        const back = shown.has(`d${name}`);
        const side = wide ? 14 : 18;
        const word = (sign, prefix, colour) => shown.has(prefix + name) && text(
          mx + sign * side * uy, my - sign * side * ux, format(values[prefix + name]),
          { class: `${colour} ${fresh.has(prefix + name) ? "fresh" : ""}`,
            "text-anchor": wide && Math.abs(uy) < 0.1 ? "middle" : sign * uy > 0 ? "start" : "end" });
        return [
          s("line", { x1: x0 + 24 * ux, y1: y0 + 24 * uy, x2: x1 - 27 * ux, y2: y1 - 27 * uy,
            class: back ? "edge vermilion" : "edge", "marker-end": "url(#widget-arrow)" }),
          word(1, "", "blue"), word(-1, "d", "vermilion")].filter(Boolean);
      });
      const nodes = Object.entries(NODES).map(([name, at]) => {
        const [x, y] = place(at);
        return [s("circle", { cx: x, cy: y, r: 22, class: name === busy ? "node busy" : "node" }), text(x, y, name, { class: "name" })];
      });
      const arrow = s("defs", {}, s("marker", { id: "widget-arrow", viewBox: "0 0 8 8", refX: 4, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
        s("path", { d: "M0 0L8 4L0 8z", class: "arrow" })));
      const bottom = wide ? 220 : margin + 6 * unit + 30;
      const key = [
        text(width, bottom - 28, "value, forward", { class: "blue", "text-anchor": "end" }),
        text(width, bottom - 10, "gradient, backward", { class: "vermilion", "text-anchor": "end" }),
      ];
      const known = [...shown].map((name) => `${name} = ${format(values[name])}`).join(", ");
      picture.replaceChildren(drawing(width, bottom, `The computation graph; known so far: ${known}`, arrow, ...key, ...edges.flat(), ...nodes.flat()));
      back.disabled = step === 0;
      forth.disabled = step === STEPS.length - 1;
      said.textContent = `${step} of ${STEPS.length - 1}. ${STEPS[step][2](values)}`;
    }

    return (room) => {
      width = room;
      draw();
    };
  });
})();
