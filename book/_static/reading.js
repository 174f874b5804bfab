// While reading: where you are in a long chapter, the notebook to keep, figures that open large.

// ---- The section that is on top of the window, and how much of the chapter lies behind ----------

document.addEventListener("DOMContentLoaded", () => {
  const start = document.querySelector(".header-article-items__start");
  const article = document.querySelector(".bd-article");
  const headings = [...document.querySelectorAll(".bd-article h2, .bd-article h3")].filter(
    (heading) => heading.parentElement.id && !heading.closest(".admonition"),
  );
  if (!start || headings.length < 4) return;

  const here = document.createElement("a");
  here.className = "here";
  here.hidden = true;
  start.append(here);
  const progress = document.createElement("div");
  progress.className = "progress-read";
  start.closest(".bd-header-article").append(progress);

  let current = null;
  let waiting = false;

  function look() {
    waiting = false;
    const box = article.getBoundingClientRect();
    const behind = -box.top / Math.max(1, box.height - window.innerHeight);
    progress.style.transform = `scaleX(${Math.min(1, Math.max(0, behind))})`;

    const passed = headings.filter((heading) => heading.getBoundingClientRect().top < 120);
    if (passed.at(-1) === current) return;
    current = passed.at(-1);
    here.hidden = !current;
    if (!current) return;
    const title = current.cloneNode(true);
    title.querySelectorAll(".headerlink, mjx-assistive-mml").forEach((part) => part.remove());
    here.replaceChildren(...title.childNodes);
    here.href = `#${current.parentElement.id}`;
  }

  const soon = () => {
    if (!waiting) requestAnimationFrame(look);
    waiting = true;
  };
  window.addEventListener("scroll", soon, { passive: true });
  window.addEventListener("resize", soon);
  look();
  window.MathJax?.startup?.promise?.then(() => {
    current = undefined; // a title's formula may have been copied before it was typeset
    look();
  });
});

// ---- The notebook is kept, not opened -----------------------------------------------------------

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".btn-notebook-button")?.setAttribute("download", "");
});

// ---- Figures that the column shows smaller than they are: a button opens them large --------------

document.addEventListener("DOMContentLoaded", () => {
  const LARGER = 1.2; // not worth a button below
  const pictures = document.querySelectorAll(".bd-article figure img, .bd-article .cell_output img");
  if (pictures.length === 0) return;

  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.innerHTML = `
    <button type="button" class="enlarged-close" aria-label="Close">×</button>
    <div class="enlarged-room" tabindex="0" role="group" aria-label="Enlarged picture"></div>`;
  const room = dialog.querySelector(".enlarged-room");
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => room.replaceChildren());
  document.querySelector(".bd-article").append(dialog);

  function open(picture) {
    const copy = picture.cloneNode();
    // On a phone at least so large that its letters can be read; it scrolls.
    copy.style.width = `${Math.min(picture.naturalWidth, Math.max(window.innerWidth - 48, 640))}px`;
    room.replaceChildren(copy);
    dialog.showModal();
  }

  function offer(picture) {
    const frame = document.createElement("span");
    frame.className = "enlargeable";
    picture.before(frame);
    frame.append(picture);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    const number = picture.closest("figure")?.querySelector(".caption-number");
    button.setAttribute("aria-label", `Enlarge ${number?.textContent.trim() ?? "the picture"}`);
    frame.append(button);
    button.addEventListener("click", () => open(picture));
    picture.addEventListener("click", () => button.hidden || open(picture));
    const compare = () => {
      const worth = picture.naturalWidth > LARGER * picture.clientWidth;
      button.hidden = !worth;
      frame.classList.toggle("is-smaller", worth);
    };
    picture.complete ? compare() : picture.addEventListener("load", compare);
    window.addEventListener("resize", compare);
  }

  pictures.forEach(offer);
});
