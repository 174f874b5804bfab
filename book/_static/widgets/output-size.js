// Teaches: the output has a value for each place at which the window fits.
(() => {
  "use strict";

  // What a line of `size` pixels with `pad` zeros at both ends gives under windows of `window` pixels.
  function outputSize({ size, window, stride, pad }) {
    const padded = size + 2 * pad;
    if (window > padded) return { padded, starts: [], unseen: [] };
    const count = 1 + Math.floor((padded - window) / stride);
    const starts = Array.from({ length: count }, (_, i) => i * stride);
    const unseen = Array.from({ length: padded }, (_, u) => u).filter(
      (u) => !starts.some((start) => start <= u && u < start + window));
    return { padded, starts, unseen };
  }

  if (typeof module !== "undefined") {
    module.exports = { outputSize };
    return;
  }

  const { add, drawing, h, result, row, s, slider, text } = nndlWidgets;

  add("output-size", (stage) => {
    const setting = { size: 7, window: 3, stride: 2, pad: 1 };
    let width = 0;
    const control = (label, name, min, max) =>
      slider(label, { min, max, value: setting[name] }, (value) => {
        setting[name] = value;
        draw();
      });
    const picture = h("div", { class: "widget-picture" });
    const said = result();
    stage.append(
      row(control("pixels H", "size", 1, 12), control("filter HH", "window", 1, 7),
        control("stride s", "stride", 1, 4), control("pad P", "pad", 0, 3)),
      picture, said);

    function draw() {
      const { size, window, stride, pad } = setting;
      const { padded, starts, unseen } = outputSize(setting);
      const cell = Math.min(34, Math.floor((width - 90) / padded));
      const left = Math.max(0, Math.floor((width - 90 - padded * cell) / 2));
      const line = 26; // from one window to the next
      const pixels = Array.from({ length: padded }, (_, u) => {
        const zero = u < pad || u >= pad + size;
        const kind = unseen.includes(u) ? "cell unseen" : zero ? "cell zero" : "cell pixel";
        return [
          s("rect", { x: left + u * cell, y: 2, width: cell, height: 30, class: kind }),
          text(left + (u + 0.5) * cell, 17, zero ? 0 : "x", { class: zero ? "muted" : "" }),
        ];
      });
      const end = left + padded * cell + 30;
      const windows = starts.map((start, i) => {
        const y = 42 + i * line;
        const bar = { x: left + start * cell + 2, y, width: window * cell - 4, height: line - 8, rx: 4, class: "window" };
        const from = left + (start + window) * cell;
        return [
          s("rect", bar),
          s("line", { x1: from, y1: y + 9, x2: end - 2, y2: y + 9, class: "lead" }),
          s("rect", { x: end, y: y - 2, width: 30, height: line - 4, class: "cell positive", style: "fill-opacity: 0.5" }),
          text(end + 15, y + 9, i),
        ];
      });
      const height = 46 + Math.max(1, starts.length) * line;
      const label = `${padded} pixels with their zeros, and ${starts.length} windows over them`;
      picture.replaceChildren(drawing(width, height, label, ...pixels.flat(), ...windows.flat()));

      if (!starts.length) {
        said.textContent = `The filter does not fit: it needs ${window} pixels, and there are ${padded}.`;
        return;
      }
      const notes = [];
      if (unseen.length) notes.push(`No window reaches the ${unseen.length} with a dashed frame.`);
      if (starts.length === size && stride === 1) notes.push("As many as there were pixels: “same” padding.");
      said.textContent = `H_out = 1 + ⌊(${size} + 2·${pad} − ${window}) / ${stride}⌋ = ${starts.length}. ${notes.join(" ")}`;
    }

    return (room) => {
      width = room;
      draw();
    };
  });
})();
