// The feed: cards in sections, filters, the large view, keys.

const CHUNK = 12; // divisible by every number of columns, so that no row but a section's last is broken
const GROUPS = { attention: "Needs attention", open: "Under way", saved: "Saved" };
const rows = [...document.querySelectorAll("script.rows")].flatMap((block) => JSON.parse(block.textContent));
let shown = rows;
let here = null; // the card that keys speak to
let viewed = 0;

// --- Cards ---
const number = (value, digits = 0) => value.toLocaleString(undefined, { maximumFractionDigits: digits });
const when = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function size(bytes) {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${number(bytes / 1000 ** power, power ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

function buildFacts(row) {
  const texts = [
    row.seconds !== undefined && `${number(row.seconds, 1)} s`,
    row.credits !== undefined && `${number(row.credits, 2)} credits${row.reserved ? " reserved" : ""}`,
    row.size !== undefined && size(row.size),
  ].filter(Boolean);
  const time = make("time", { datetime: row.at }, when(row.at));
  return make("p", { class: "facts" }, ...texts.map((text) => make("span", {}, text)), time);
}

function buildDetails(row) {
  const code = (text) => text && make("code", {}, text);
  const link = () => make("a", { href: row.before.url, rel: "noreferrer noopener", target: "_blank" }, row.source);
  const lines = {
    Prompt: row.prompt,
    Source: row.before?.url ? link() : row.source,
    Error: row.error?.type,
    Task: code(row.task),
    "SHA-256": code(row.sha256),
    Accepted: row.accepted && when(row.accepted),
  };
  const list = make("dl");
  for (const [name, value] of Object.entries(lines)) {
    if (value) list.append(make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, value)));
  }
  return make("details", {}, make("summary", {}, "Details"), list);
}

function buildError({ code, type, message }) {
  return make("p", { class: "error", dir: "auto" }, make("b", {}, code ?? type ?? "error"), message ?? "");
}

// One edit that cannot be shown must not take those beside it along.
function buildCard(row, index) {
  try {
    return buildWhole(row, index);
  } catch (error) {
    const { name, status, group, at } = row;
    shown[index] = { name, status, group, at, prompt: `This edit cannot be shown here: ${error.message}` };
    return buildWhole(shown[index], index);
  }
}

function buildWhole(row, index) {
  const stage = new Stage(row);
  const title = make("h3", { dir: "auto", title: row.name }, row.name);
  const text = make("div", { class: "text" },
    make("div", { class: "title" }, title, make("span", { class: "status" }, row.status)),
    make("p", { class: "prompt", dir: "auto" }, row.prompt),
    row.error ? buildError(row.error) : null,
    buildFacts(row),
    buildDetails(row));
  const card = make("article", { class: `card ${row.group}`, tabindex: -1, "aria-label": `${row.name}, ${row.status}` });
  card.setAttribute("aria-posinset", index + 1);
  card.setAttribute("aria-setsize", shown.length);
  card.append(stage.element, text);
  return Object.assign(card, { stage, index });
}

// --- Chunks of cards: filled when they come near the window, emptied when they are far from it ---
const near = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) (isIntersecting ? fill : vacate)(target);
}, { rootMargin: "75% 0px" });

function fill(chunk) {
  if (chunk.childElementCount) return;
  const { first, count } = chunk;
  chunk.append(...shown.slice(first, first + count).map((row, index) => buildCard(row, first + index)));
}

function vacate(chunk) {
  if (!chunk.childElementCount || chunk.contains(document.activeElement)) return;
  chunk.style.setProperty("--height", `${chunk.offsetHeight}px`);
  if (chunk.contains(here)) here = null;
  for (const { stage } of chunk.children) stage.release();
  chunk.replaceChildren();
}

function buildChunk(first, count) {
  const chunk = Object.assign(make("div", { class: "chunk" }), { first, count });
  chunk.style.setProperty("--cards", count);
  return chunk;
}

function buildSection([group, label]) {
  const first = shown.findIndex((row) => row.group === group);
  if (first < 0) return null;
  const count = shown.findLastIndex((row) => row.group === group) - first + 1; // rows come sorted by group
  const feed = make("div", { role: "feed", "aria-label": label });
  for (let at = 0; at < count; at += CHUNK) feed.append(buildChunk(first + at, Math.min(CHUNK, count - at)));
  return make("section", {}, make("h2", {}, label, make("span", {}, number(count))), feed);
}

function layOut() {
  near.disconnect();
  playing?.pause();
  here = null;
  for (const { stage } of byId("feed").querySelectorAll(".card")) stage.release();
  byId("feed").replaceChildren(...Object.entries(GROUPS).map(buildSection).filter(Boolean));
  for (const chunk of document.querySelectorAll(".chunk")) near.observe(chunk);
  const credits = shown.reduce((sum, row) => sum + (row.credits ?? 0), 0);
  const some = `${number(shown.length)} of ${number(rows.length)} edits · ${number(credits, 2)} credits`;
  const none = rows.length ? "No edit matches" : "There are no edits in this journal yet";
  byId("found").textContent = shown.length ? some : none;
}

// --- Filters ---
const wanted = new Set(); // statuses; none means all

function haystack(row) {
  row.text ??= [row.name, row.prompt, row.source, row.task, row.status, row.error?.code, row.error?.message]
    .join("\n").toLowerCase();
  return row.text;
}

function sift() {
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = rows.filter((row) => (!wanted.size || wanted.has(row.status))
    && words.every((word) => haystack(row).includes(word)));
  for (const button of byId("statuses").children) {
    const pressed = button.status ? wanted.has(button.status) : !wanted.size;
    button.setAttribute("aria-pressed", pressed);
  }
  layOut();
}

function buildFilter(status, label, group, count) {
  const button = make("button", { type: "button", class: `${group} ${group ? "dot" : ""}` }, label);
  button.append(make("span", {}, number(count)));
  button.status = status;
  button.addEventListener("click", () => {
    if (!status) wanted.clear();
    else if (!wanted.delete(status)) wanted.add(status);
    sift();
  });
  return button;
}

function buildFilters() {
  const counts = new Map();
  for (const { status, group } of rows) {
    counts.set(status, { group, count: (counts.get(status)?.count ?? 0) + 1 });
  }
  byId("statuses").append(buildFilter(null, "All", "", rows.length));
  for (const [status, { group, count }] of counts) byId("statuses").append(buildFilter(status, status, group, count));
}

// --- The large view ---
function openViewer(row) {
  playing?.pause();
  viewed = shown.indexOf(row);
  byId("large").firstElementChild?.stage.release();
  const card = buildCard(row, viewed);
  card.querySelector("details").open = true;
  byId("large").replaceChildren(card);
  byId("place").textContent = `${number(viewed + 1)} of ${number(shown.length)}`;
  byId("previous").disabled = viewed === 0;
  byId("next").disabled = viewed === shown.length - 1;
  if (!byId("viewer").open) byId("viewer").showModal();
  card.focus();
  card.stage.load();
}

// Who walked on in the large view finds the sheet where the walk ended.
byId("viewer").addEventListener("close", () => {
  byId("large").firstElementChild?.stage.release();
  byId("large").replaceChildren();
  if (here?.index !== viewed) goTo(viewed);
});

// --- Moving on, looks, keys ---
function current() {
  const inView = (card) => card.getBoundingClientRect().bottom > 120;
  return byId("large").firstElementChild ?? here ?? [...document.querySelectorAll("#feed .card")].find(inView);
}

function move(by) {
  if (byId("viewer").open) {
    if (shown[viewed + by]) openViewer(shown[viewed + by]);
    return;
  }
  goTo(here ? here.index + by : current()?.index);
}

function goTo(index) {
  const chunk = [...document.querySelectorAll(".chunk")].findLast(({ first }) => first <= index);
  if (!chunk || index >= shown.length) return;
  fill(chunk);
  const card = chunk.children[index - chunk.first];
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function remembered(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`omniedit.${name}`, value);
    return localStorage.getItem(`omniedit.${name}`);
  } catch {
    return null; // a browser may forbid it to files
  }
}

function setView(beside) {
  root.classList.toggle("beside", beside);
  byId("beside").setAttribute("aria-pressed", beside);
  byId("slider").setAttribute("aria-pressed", !beside);
  remembered("view", beside ? "beside" : "slider");
  forgetHeights();
}

function toggleTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = remembered("theme", dark ? "light" : "dark") ?? (dark ? "light" : "dark");
}

function showPeriod() {
  const times = [...document.querySelectorAll("header time")];
  for (const time of times) time.textContent = when(time.dateTime);
  if (times.length > 1 && times[0].textContent === times[1].textContent) times[0].parentNode.replaceChildren(times[0]);
}

function forgetHeights() {
  for (const chunk of document.querySelectorAll(".chunk")) chunk.style.removeProperty("--height");
}

function nudge(stage, pictures) {
  stage.pause();
  stage.seek((stage.lead?.currentTime ?? 0) + pictures / 24);
}

const KEYS = {
  "/": () => byId("text").focus(),
  "?": () => byId("help").showModal(),
  j: () => move(1),
  k: () => move(-1),
  b: () => setView(!root.classList.contains("beside")),
  m: toggleSound,
  d: toggleTheme,
  " ": () => current()?.stage.toggle(),
  Enter: () => { if (!byId("viewer").open && current()) openViewer(current().stage.row); },
  ArrowLeft: () => current()?.stage.cut(current().stage.row.cut - 5),
  ArrowRight: () => current()?.stage.cut(current().stage.row.cut + 5),
  ",": () => current() && nudge(current().stage, -1),
  ".": () => current() && nudge(current().stage, 1),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (target === byId("text")) {
    if (key === "Escape") target.blur();
    return;
  }
  const native = (target.closest("button, a, summary") && (key === " " || key === "Enter"))
    || (target.matches("input[type=range]") && key.startsWith("Arrow"));
  if (native || !Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  KEYS[key]();
});

byId("feed").addEventListener("focusin", ({ target }) => { here = target.closest(".card") ?? here; });
byId("feed").addEventListener("pointerdown", ({ target }) => { here = target.closest(".card") ?? here; });
byId("text").addEventListener("input", sift);
byId("slider").addEventListener("click", () => setView(false));
byId("beside").addEventListener("click", () => setView(true));
byId("theme").addEventListener("click", toggleTheme);
byId("keys").addEventListener("click", () => byId("help").showModal());
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
byId("close").addEventListener("click", () => byId("viewer").close());
addEventListener("resize", forgetHeights);

if (remembered("theme")) root.dataset.theme = remembered("theme");
setView(remembered("view") === "beside");
showPeriod();
buildFilters();
layOut();
if (document.querySelector(".chunk")) fill(document.querySelector(".chunk"));
