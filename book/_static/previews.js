// Shows what a link within the book points to: a citation, a term, an equation, a figure, a section.
// With a mouse when it rests on the link, with the keyboard when the link has the focus, and on a
// touch screen at the first tap, with a link to go there.
(() => {
  const root = () => document.documentElement.dataset.content_root;
  const DELAY = 250; // ms, so that a pointer that passes by shows nothing

  let loading = null; // the glimpses of all targets, loaded when first needed
  let shownFor = null;
  let timer = 0;
  let touched = false;
  let box;

  function load() {
    loading ??= new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `${root()}_static/preview-data.js`;
      script.onload = () => resolve(window.nndlPreviews);
      document.head.append(script);
    });
    return loading;
  }

  // The target's address from the book's root, as the glimpses are filed.
  function key(link) {
    const home = new URL(root(), document.baseURI).href;
    return decodeURI(link.href).slice(decodeURI(home).length);
  }

  function makeBox() {
    box = document.createElement("div");
    box.id = "glimpse";
    box.className = "glimpse";
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(hide));
    document.querySelector(".bd-article").append(box);
  }

  function place(link) {
    if (box.classList.contains("glimpse-sheet")) {
      box.style.left = box.style.top = "";
      return;
    }
    const [first] = link.getClientRects();
    const parent = box.offsetParent.getBoundingClientRect();
    const room = { width: document.documentElement.clientWidth, height: window.innerHeight };
    const left = Math.max(8, Math.min(first.left, room.width - box.offsetWidth - 8));
    const below = first.bottom + 6 + box.offsetHeight < room.height;
    const top = below ? first.bottom + 6 : first.top - 6 - box.offsetHeight;
    box.style.left = `${left - parent.left}px`;
    box.style.top = `${top - parent.top}px`;
  }

  async function show(link) {
    const html = (await load())[key(link)];
    const stillMeant = link.matches(":hover, :focus-visible") || touched;
    if (!html || !stillMeant || shownFor === link) return;
    hide();
    shownFor = link;
    box.innerHTML = html;
    box.querySelectorAll("img").forEach((image) => {
      image.addEventListener("load", () => place(link));
      image.src = root() + image.dataset.src;
    });
    box.classList.toggle("glimpse-sheet", touched);
    if (touched) {
      const there = document.createElement("a");
      there.href = link.href;
      there.className = "glimpse-go";
      there.textContent = "Go there";
      there.addEventListener("click", hide);
      box.append(there);
    }
    link.removeAttribute("title"); // else the browser shows its own box as well
    link.setAttribute("aria-describedby", box.id);
    box.hidden = false;
    place(link);
    if (box.querySelector(".math") && window.MathJax?.typesetPromise) {
      await MathJax.typesetPromise([box]);
      if (shownFor === link) place(link);
    }
  }

  function hide() {
    clearTimeout(timer);
    if (box.hidden) return;
    box.hidden = true;
    shownFor?.removeAttribute("aria-describedby");
    shownFor = null;
    window.MathJax?.typesetClear?.([box]);
    box.replaceChildren();
  }

  function later(action) {
    clearTimeout(timer);
    timer = setTimeout(action, DELAY);
  }

  function watch(link) {
    link.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
    link.addEventListener("pointerenter", (event) => {
      touched = event.pointerType === "touch";
      if (!touched) later(() => show(link));
    });
    link.addEventListener("pointerleave", () => !touched && later(hide));
    link.addEventListener("focus", () => link.matches(":focus-visible") && !touched && show(link));
    link.addEventListener("blur", () => !touched && later(hide));
    link.addEventListener("click", (event) => {
      if (!touched || shownFor === link || !(key(link) in (window.nndlPreviews ?? {}))) return;
      event.preventDefault();
      show(link);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector(".bd-article")) return;
    makeBox();
    document
      .querySelectorAll(".bd-article a.reference.internal[href*='#']:not(.headerlink)")
      .forEach(watch);
    // A tap must know at once whether there is something to show.
    document.addEventListener("touchstart", load, { once: true, passive: true });
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("pointerdown", (event) => {
      if (!box.contains(event.target) && !shownFor?.contains(event.target)) hide();
    });
    window.addEventListener("beforeprint", hide);
  });
})();
