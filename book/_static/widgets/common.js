// What the widgets share: elements, labelled controls, and numbers as the book prints them.
//
// A widget takes the place of a figure's picture. Where JavaScript does not run, and on paper,
// the picture stays. Plain scripts, since modules do not load from file://.
const nndlWidgets = (() => {
  "use strict";

  // A minus sign as wide as a plus sign, and no "-0".
  function format(value, digits = 2) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "undefined" : value < 0 ? "−∞" : "∞";
    const size = Math.abs(value);
    const small = size > 0 && size < 0.5 * 10 ** -digits;
    const text = small || size >= 1e6 ? power(size) : String(Number(size.toFixed(digits)));
    return (value < 0 && text !== "0" ? "−" : "") + text;
  }

  // 0.00012 as 1.2 · 10⁻⁴
  function power(value) {
    if (value === 0) return "0";
    const [digits, exponent] = value.toExponential(1).split("e");
    const head = Number(digits) === 1 ? "" : `${Number(digits)} · `;
    return `${head}10${superscript(Number(exponent))}`;
  }

  const superscript = (whole) =>
    String(whole).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));

  // A factor after a sign is put in brackets: 2 · (−3).
  const factor = (value, digits) => (value < 0 ? `(${format(value, digits)})` : format(value, digits));

  if (typeof document === "undefined") return { format, power, factor };

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat());
    return element;
  }

  const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const text = (x, y, words, attributes) =>
    s("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central", ...attributes }, String(words));

  // A drawing in pixels, described in words to those who do not see it.
  const drawing = (width, height, label, ...children) =>
    s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);

  const button = (label, pressed) => h("button", { type: "button", onclick: pressed }, label);

  const row = (...children) => h("div", { class: "widget-row" }, ...children);

  const hint = (words) => h("p", { class: "widget-hint" }, words);

  // What changes is read out: an output element is a live region.
  const result = () => h("output", { class: "widget-result" });

  function slider(label, { min, max, step = 1, value, show = format }, changed) {
    const input = h("input", { type: "range", min, max, step, value, "aria-label": label });
    const shown = h("span", { class: "widget-value" });
    const tell = () => {
      shown.textContent = show(input.valueAsNumber);
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", () => (tell(), changed(input.valueAsNumber)));
    tell();
    const control = h("label", { class: "widget-slider" }, h("span", {}, label), input, shown);
    return Object.assign(control, { input, tell });
  }

  let groups = 0;
  function choice(label, options, chosen, changed) {
    const name = `widget-choice-${++groups}`;
    const radio = (option) =>
      h("label", {},
        h("input", { type: "radio", name, checked: option === chosen, onchange: () => changed(option) }), option);
    return h("fieldset", { class: "widget-choice" }, h("legend", {}, label), ...options.map(radio));
  }

  function checkbox(label, checked, changed) {
    const input = h("input", { type: "checkbox", checked, onchange: () => changed(input.checked) });
    return h("label", { class: "widget-checkbox" }, input, label);
  }

  // A button that moves a slider to its end; at once, where motion is not wanted.
  function player(label, { input }, milliseconds) {
    let timer = null;
    const go = (value) => {
      input.value = value;
      input.dispatchEvent(new Event("input"));
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = label;
    };
    const next = () => {
      go(input.valueAsNumber + Number(input.step));
      if (input.value === input.max) stop();
    };
    const play = button(label, () => {
      if (timer) return stop();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return go(input.max);
      if (input.value === input.max) go(input.min);
      timer = setInterval(next, milliseconds);
      play.textContent = "Pause";
    });
    input.addEventListener("pointerdown", () => timer && stop());
    return play;
  }

  // Calls back with the column and row of the cell that is touched, or dragged over by a mouse.
  function onCell(svg, cell, touched) {
    const find = (event) => {
      const box = svg.getBoundingClientRect();
      touched(Math.floor((event.clientY - box.top) / cell), Math.floor((event.clientX - box.left) / cell));
    };
    svg.addEventListener("pointerdown", find);
    svg.addEventListener("pointermove", (event) => event.buttons && event.pointerType === "mouse" && find(event));
    svg.classList.add("widget-touch");
    return svg;
  }

  // Puts a widget in the place of each picture that waits for it; `build` returns how to draw it
  // for a given width, and is asked again when the width changes.
  function add(name, build) {
    document.querySelectorAll(`figure.widget-${name}`).forEach((figure) => {
      const stage = h("div", { class: "widget-stage" });
      const caption = figure.querySelector("figcaption");
      fill(stage, { role: "group", "aria-label": caption?.querySelector(".caption-number")?.textContent ?? name }, []);
      figure.prepend(stage);
      figure.classList.add("widget-live"); // the style sheet hides the picture
      const draw = build(stage);
      let width = 0;
      new ResizeObserver(([{ contentRect }]) => {
        const room = Math.floor(contentRect.width);
        if (room && room !== width) draw((width = room));
      }).observe(stage);
    });
  }

  return {
    add, button, checkbox, choice, drawing, factor, format, h, hint, onCell, player, power, result, row, s, slider, text,
  };
})();

if (typeof module !== "undefined") module.exports = nndlWidgets;
