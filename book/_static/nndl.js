// A browser that reads the book from files may not fetch the pages that a search found, to quote them.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Names and roles that the theme leaves out, for readers who listen to a page.
document.addEventListener("DOMContentLoaded", () => {
  // Where a search found a page but no words to quote, Sphinx would append nothing at all, which is an error. And
  // to it the dot in `#module-nndl.optim` begins the name of a class.
  if (typeof Search !== "undefined") {
    const quote = Search.makeSearchSummary;
    Search.makeSearchSummary = (page, words, anchor) =>
      quote(page, words, anchor && `#${CSS.escape(anchor.slice(1))}`) ?? document.createDocumentFragment();
  }

  const all = (selector) => document.querySelectorAll(selector);

  all("nav.bd-links summary").forEach((summary) => {
    const page = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages under ${page ? page.textContent.trim() : "this one"}`);
  });

  all(".bd-sidebar-primary .navbar-brand").forEach((brand) => {
    brand.parentElement.setAttribute("role", "navigation");
    brand.parentElement.setAttribute("aria-label", "Home");
  });

  all('.citation-list > [role="doc-biblioentry"]').forEach((entry) => {
    entry.setAttribute("role", "listitem");
  });

  // What is wider than the page scrolls in its own box, which the Tab key must then reach.
  const reachScrolling = () =>
    all('mjx-container[display="true"], div.math, div.cell_output .text_html').forEach((box) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  addEventListener("resize", reachScrolling);
  Promise.resolve(window.MathJax?.startup?.promise).then(reachScrolling);
});
