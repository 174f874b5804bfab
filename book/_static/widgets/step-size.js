// Teaches: a large step bends, a small step loses digits; the best lies where both errors meet.
(() => {
  "use strict";

  const X = 1;
  const FUNCTIONS = {
    "exp(x)": { f: Math.exp, slope: Math.exp(X) },
    "sin(x)": { f: Math.sin, slope: Math.cos(X) },
    "x²": { f: (x) => x * x, slope: 2 * X },
  };
  const ROUND = { float64: (value) => value, float32: Math.fround };

  // The two evaluations and the slope through them, in a float type: (f(x + h) - f(x - h)) / 2h,
  // or one-sided, (f(x + h) - f(x)) / h.
  function quotient(f, h, type = "float64", centred = true) {
    const round = ROUND[type];
    const at = (x) => round(f(round(x)));
    const [up, down] = [at(round(X) + round(h)), at(round(X) - round(centred ? h : 0))];
    return { up, down, slope: (up - down) / (centred ? 2 * h : h) };
  }

  const relativeError = (slope, exact) => Math.abs(slope / exact - 1);

  if (typeof module !== "undefined") {
    module.exports = { X, FUNCTIONS, quotient, relativeError };
    return;
  }

  const { add, choice, drawing, format, h, power, result, row, s, slider, text } = nndlWidgets;

  const [LEFT, RIGHT, BOTTOM, TOP] = [-14, 0, -13, 1]; // powers of ten

  // A value with the digits in bold in which it differs from another.
  function digits(value, other, type) {
    const places = type === "float32" ? 8 : 15;
    const [mine, theirs] = [value.toFixed(places), other.toFixed(places)];
    let same = 0;
    while (same < mine.length && mine[same] === theirs[same]) same++;
    return h("span", { class: "widget-digits" }, mine.slice(0, same), h("b", {}, mine.slice(same)));
  }

  add("step-size", (stage) => {
    let [name, type, exponent, width] = ["exp(x)", "float64", -5, 0];
    const picture = h("div", { class: "widget-picture" });
    const numbers = h("dl", { class: "widget-numbers" });
    const said = result();
    const picked = h("select", { onchange: () => ((name = picked.value), draw()) },
      ...Object.keys(FUNCTIONS).map((option) => h("option", {}, option)));
    stage.append(
      row(h("label", {}, "f(x) = ", picked),
        choice("numbers", Object.keys(ROUND), type, (option) => ((type = option), draw())),
        slider("step h", { min: LEFT, max: RIGHT, step: 0.25, value: exponent, show: (v) => power(10 ** v) },
          (value) => ((exponent = value), draw()))),
      picture, numbers, said);

    function draw() {
      if (!width) return;
      const { f, slope } = FUNCTIONS[name];
      const [height, left, bottom] = [260, 46, 36];
      const x = (value) => left + ((width - left - 14) * (value - LEFT)) / (RIGHT - LEFT);
      const y = (value) => 10 + ((height - bottom - 10) * (TOP - value)) / (TOP - BOTTOM);
      const error = (h, centred) => relativeError(quotient(f, h, type, centred).slope, slope);
      const place = (h, centred) => [
        x(Math.log10(h)), y(Math.max(BOTTOM, Math.min(TOP, Math.log10(error(h, centred)))))];
      const steps = Array.from({ length: 113 }, (_, k) => 10 ** (LEFT + k / 8));
      const axes = [-12, -9, -6, -3, 0].flatMap((tick) => [
        s("line", { x1: left, x2: width - 14, y1: y(tick), y2: y(tick), class: "grid" }),
        text(left - 6, y(tick), power(10 ** tick), { "text-anchor": "end", class: "muted" }),
        s("line", { x1: x(tick), x2: x(tick), y1: 10, y2: height - bottom, class: "grid" }),
        text(x(tick), height - bottom + 13, power(10 ** tick), { class: "muted" }),
      ]);
      const curves = [[true, "blue"], [false, "vermilion dashed"]].map(([centred, look]) =>
        s("polyline", { class: `curve ${look}`, points: steps.map((h) => place(h, centred)).join(" ") }));
      const step = 10 ** exponent;
      const here = [true, false].map((centred) => {
        const [cx, cy] = place(step, centred);
        return s("circle", { cx, cy, r: 6, class: centred ? "dot blue" : "dot vermilion" });
      });
      const legend = [
        text(left + 8, height - bottom - 30, "one-sided", { "text-anchor": "start", class: "vermilion" }),
        text(left + 8, height - bottom - 12, "centred", { "text-anchor": "start", class: "blue" }),
        text((left + width) / 2, height - 8, "step h; upwards: relative error"),
      ];
      const label = `Relative error of the slope against the step, both in powers of ten, with dots at ${power(step)}`;
      picture.replaceChildren(drawing(width, height, label, ...axes, ...curves,
        s("line", { x1: x(exponent), x2: x(exponent), y1: 10, y2: height - bottom, class: "lead" }), ...here, ...legend));

      const { up, down, slope: found } = quotient(f, step, type);
      const line = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
      numbers.replaceChildren(
        line("f(1 + h)", digits(up, down, type)), line("f(1 − h)", digits(down, up, type)),
        line("centred slope", digits(found, slope, "float64")), line("derivative", digits(slope, found, "float64")));
      const [both, one] = [error(step, true), error(step, false)];
      said.textContent = `h = ${power(step)}: the centred difference is off by ${power(both)}, the one-sided by ${power(one)}.` +
        (up === down ? " The two values are equal: no digit is left." : "");
    }

    return (room) => {
      width = room;
      draw();
    };
  });
})();
