"use strict";
// One stage: before and after of one edit, one over the other or side by side, playing in step.
// Rules of this script and the next: text is set as text, never as markup; nothing is fetched but what somebody
// clicked on; only what is near the window is in the document, so that thousands of edits open as fast as ten.

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const settings = JSON.parse(byId("settings").textContent);
const whole = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
const clipUrls = new Map(); // clips that the sheet carries, as blobs
const PLAYERS = 40; // browsers bound how many videos one page may hold
let muted = true;
let playing = null; // the one stage that plays

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function iconButton(label, name, click) {
  const button = make("button", { type: "button" });
  button.addEventListener("click", click);
  relabel(button, label, name);
  return button;
}

function relabel(button, label, name) {
  button.setAttribute("aria-label", label);
  button.title = label;
  button.replaceChildren(icon(name));
}

// Pictures and clips stand behind the scripts, so that the first cards show before all of the file is read.
// A block that is still being read has nothing behind it yet.
function carried(id) {
  const block = byId(id);
  return block && (block.nextElementSibling || document.readyState !== "loading") ? block.textContent : null;
}

async function carriedOnceRead(id) {
  while (carried(id) === null && document.readyState === "loading") {
    await Promise.race([whole, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  return carried(id);
}

async function clipUrl(clip) {
  if (clip.url || !settings.embedded) return clip.url ?? clip.href;
  if (!clipUrls.has(clip.id)) {
    const text = await carriedOnceRead(`clip-${clip.id}`);
    if (text === null) return clip.href;
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    clipUrls.set(clip.id, URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })));
  }
  return clipUrls.get(clip.id);
}

async function showPoster(image, clip, missing) {
  image.addEventListener("error", missing, { once: true });
  const url = settings.posters ? `${settings.posters}/${clip.id}.webp` : await carriedOnceRead(`still-${clip.id}`);
  if (url === null) missing();
  else image.src = url;
}

class Stage {
  constructor(row) {
    this.row = row;
    this.clips = { before: row.before, after: row.after };
    this.videos = {};
    this.element = make("div", { class: "stage" });
    this.sides = { before: this.buildSide("before", "Before"), after: this.buildSide("after", "After") };
    this.slide = this.buildSlide();
    this.element.append(this.sides.before, this.sides.after, this.slide, make("div", { class: "knob" }));
    if (row.before || row.after) this.element.append(this.buildControls());
    this.element.addEventListener("pointerdown", (event) => this.drag(event));
    this.cut(row.cut ?? 50);
    this.arrange();
  }

  buildSide(name, label) {
    const clip = this.clips[name];
    const side = make("figure", { class: `side ${name}` }, make("figcaption", {}, label));
    if (!clip) side.append(make("p", {}, absence(this.row, name)));
    else if (clip.url) side.append(this.buildFetch(clip));
    else {
      const image = make("img", { alt: `${label}: ${this.row.name}`, decoding: "async" });
      side.append(image);
      showPoster(image, clip, () => { image.remove(); this.preview(name); });
    }
    return side;
  }

  // A source on the web is fetched only when somebody asks for it.
  buildFetch(clip) {
    const ask = make("button", { type: "button", class: "fetch" }, `Load the source from ${hostOf(clip.url)}`);
    ask.addEventListener("click", async () => {
      ask.remove();
      await this.video("before");
      this.arrange();
      this.play();
    });
    return ask;
  }

  buildSlide() {
    const slide = make("input", { type: "range", class: "slide", min: 0, max: 100, step: 1 });
    slide.setAttribute("aria-label", `How much of ${this.row.name} is shown as before`);
    slide.addEventListener("input", () => this.cut(Number(slide.value)));
    return slide;
  }

  buildControls() {
    this.toggleButton = iconButton("Play", "play", () => this.toggle());
    this.seekBar = make("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": "Position" });
    this.seekBar.addEventListener("input", () => this.seek((this.seekBar.value / 1000) * this.duration));
    this.time = make("output", { "aria-label": "Time" });
    this.soundButton = iconButton("Sound of the result", muted ? "mute" : "sound", toggleSound);
    const grow = iconButton("Look at it large", "grow", () => openViewer(this.row));
    grow.classList.add("grow");
    return make("div", { class: "controls" }, this.toggleButton, this.seekBar, this.time, this.soundButton, grow);
  }

  // Which sides have something to show decides what the stage looks like.
  arrange() {
    const { before, after } = this.clips;
    const pair = Boolean(after && before && (!before.url || this.videos.before));
    this.element.classList.toggle("pair", pair);
    this.element.classList.toggle("lone", !after);
    this.slide.tabIndex = pair ? 0 : -1;
  }

  cut(value) {
    this.row.cut = Math.min(100, Math.max(0, value));
    this.slide.value = this.row.cut;
    this.slide.setAttribute("aria-valuetext", `${Math.round(this.row.cut)} % before`);
    this.element.style.setProperty("--cut", `${this.row.cut}%`);
  }

  drag(event) {
    const fixed = !this.element.classList.contains("pair") || root.classList.contains("beside");
    if (fixed || event.button || event.target.closest("button, .controls")) return;
    const box = this.element.getBoundingClientRect();
    const move = (at) => this.cut(((at.clientX - box.left) / box.width) * 100);
    const done = new AbortController();
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", move, { signal: done.signal });
    for (const end of ["pointerup", "pointercancel"]) {
      this.element.addEventListener(end, () => done.abort(), { signal: done.signal });
    }
    move(event);
  }

  get all() { return Object.values(this.videos); }
  get lead() { return this.videos.after ?? this.videos.before; }
  get duration() { return this.lead?.duration || 0; }

  async video(name) {
    if (this.videos[name]) return this.videos[name];
    const video = make("video", { playsinline: "", preload: "auto", class: "waiting" });
    this.videos[name] = video;
    video.muted = name === "before" || muted;
    video.addEventListener("loadeddata", () => video.classList.remove("waiting"), { once: true });
    video.addEventListener("error", () => this.lose(name), { once: true });
    this.sides[name].append(video);
    video.src = await clipUrl(this.clips[name]);
    return video;
  }

  lose(name) {
    this.videos[name].remove();
    delete this.videos[name];
    this.clips[name] = null;
    this.sides[name].querySelector("img")?.remove();
    this.sides[name].append(make("p", {}, "This browser cannot play the file, or it is not there any more"));
    this.arrange();
  }

  // Without a picture the clip itself shows one.
  async preview(name) {
    if (document.querySelectorAll("video").length >= PLAYERS) return;
    const video = await this.video(name);
    const still = () => { if (video.paused) video.currentTime = Math.min(0.5, video.duration / 2); };
    if (video.readyState > 1) still();
    else video.addEventListener("loadeddata", still, { once: true });
  }

  async load() {
    const wanted = ["before", "after"].filter((name) => this.clips[name] && !this.clips[name].url);
    await Promise.all(wanted.map((name) => this.video(name)));
  }

  async play() {
    if (playing !== this) playing?.pause();
    playing = this;
    await this.load();
    if (playing !== this || !this.lead) return this.pause();
    relabel(this.toggleButton, "Pause", "pause");
    this.tick();
  }

  pause() {
    if (playing === this) playing = null;
    for (const video of this.all) video.pause();
    if (this.toggleButton) relabel(this.toggleButton, "Play", "play");
  }

  toggle() {
    if (playing === this) this.pause();
    else this.play();
  }

  async seek(time) {
    await this.load();
    for (const video of this.all) video.currentTime = Math.min(Math.max(0, time), video.duration || time);
    this.showTime();
  }

  // In step: the result leads and the source follows. A small drift is made good by speed, a large one by a jump; when
  // one of them waits for its bytes, both wait; at the end both begin again.
  tick() {
    const { lead, all } = this;
    if (playing !== this) return;
    if (!lead || !this.element.isConnected) {
      this.pause();
      return;
    }
    if (lead.ended) for (const video of all) video.currentTime = 0;
    const ready = all.every((video) => video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || video.ended);
    for (const video of all) {
      if (!ready) video.pause();
      else if (video.paused && !video.ended) video.play().catch(() => {});
      if (video !== lead && !video.seeking && !video.ended) follow(video, lead.currentTime);
    }
    this.showTime();
    requestAnimationFrame(() => this.tick());
  }

  showTime() {
    if (!this.duration) return;
    this.seekBar.value = (this.lead.currentTime / this.duration) * 1000;
    this.time.textContent = `${this.lead.currentTime.toFixed(1)} s`;
  }

  release() {
    if (playing === this) this.pause();
    for (const video of this.all) {
      video.removeAttribute("src");
      video.load();
    }
    this.videos = {};
  }
}

function follow(video, time) {
  const drift = video.currentTime - time;
  if (Math.abs(drift) > 0.3) video.currentTime = time;
  video.playbackRate = Math.abs(drift) > 0.02 ? 1 - Math.max(-0.1, Math.min(0.1, drift)) : 1;
}

// What was written as a URL may be none to a browser: a host with a wrong number or character in it.
function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "the web";
  }
}

function absence(row, name) {
  if (name === "before") return "There is no clip of the source on this machine";
  if (row.group === "saved") return "The file is not where it was saved";
  return row.group === "open" ? "Not there yet" : "No result";
}

function toggleSound() {
  muted = !muted;
  for (const { stage } of document.querySelectorAll(".card")) {
    if (stage.videos.after) stage.videos.after.muted = muted;
    if (stage.soundButton) relabel(stage.soundButton, "Sound of the result", muted ? "mute" : "sound");
  }
}
