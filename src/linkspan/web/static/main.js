// The page: takes the stream of what there is and what flows, and hands it to map, list, details and tracer.

import { describe } from "./details.js";
import { NodeList } from "./list.js";
import { NetworkMap } from "./map.js";
import { model } from "./model.js";
import { Tracer } from "./trace.js";

const state = document.getElementById("state");
const panel = document.getElementById("details");
const page = { survey: null, model: null, chosen: null, counters: new Map(), before: null };

const actions = {
  open(id, focus = true) {
    const node = find(id);
    if (!node) return;
    if (tracer.take(node)) return;
    page.chosen = id;
    map.choose(id);
    list.mark(id);
    panel.hidden = false;
    panel.replaceChildren(...describe(node, page.counters, actions));
    if (focus) panel.querySelector("h2").focus();
  },
  from: (id) => tracer.from(find(id)),
  to: (id) => tracer.to(find(id)),
  close() {
    const id = page.chosen;
    page.chosen = null;
    panel.hidden = true;
    map.choose(null);
    list.mark(null);
    list.focus(id);
  },
};
const map = new NetworkMap(document.getElementById("map"), (id) => actions.open(id));
const list = new NodeList(document.getElementById("list"), document.getElementById("find"), actions);
const tracer = new Tracer({ map, view: () => ({ map: page.model, survey: page.survey }) });

/** A node as it is now; a network knows who is on it. */
function find(id) {
  const node = page.model?.nodes.find((each) => each.id === id);
  if (node?.kind !== "network") return node;
  const members = page.survey.Containers.flatMap((container) => container.Endpoints
    .filter((each) => each.NetworkId === node.about.Id)
    .map((each) => ({ id: `container:${container.Id}`, name: container.Name, link: each.HostLink })));
  return { ...node, members };
}

function survey(document_) {
  page.survey = document_;
  page.model = model(document_);
  map.show(page.model);
  list.show(page.model.nodes);
  tracer.offer(page.model.nodes);
  if (page.chosen && !find(page.chosen)) actions.close();
  summary();
}

function summary() {
  if (!page.survey || page.down) return;
  const running = page.survey.Containers.filter((each) => each.State === "running").length;
  say(`live: ${running} of ${page.survey.Containers.length} containers running, ${page.model.nodes.filter((each) => each.kind === "network").length} networks`);
}

/** Rates are what was counted between two looks, by the time that lay between them. */
function traffic({ Time, Links }) {
  const seconds = page.before ? Time - page.before.Time : 0;
  const rates = new Map();
  for (const [name, now] of Object.entries(Links)) {
    const then = page.before?.Links[name];
    if (then && seconds > 0.05) rates.set(name, { rx: rate(now[0], then[0], seconds), tx: rate(now[3], then[3], seconds) });
  }
  page.counters = new Map(Object.entries(Links));
  if (seconds > 0.05 || !page.before) {
    page.before = { Time, Links };
    map.traffic(rates);
  }
  refreshCounters();
}

const rate = (now, then, seconds) => Math.max(0, (now - then) / seconds);

/** Keep the tables of the open panel true, without touching what else is open in it. */
function refreshCounters() {
  const node = page.chosen && find(page.chosen);
  if (!node || panel.hidden) return;
  const fresh = document.createElement("div");
  if (node.kind === "port") return;
  fresh.append(...describe(node, page.counters, actions));
  const tables = fresh.querySelectorAll("table");
  panel.querySelectorAll("table").forEach((table, index) => tables[index] && table.replaceWith(tables[index]));
}

function say(text, bad = false) {
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("bad", bad);
}

function listen() {
  const stream = new EventSource("/stream");
  const on = (kind, take) => stream.addEventListener(kind, (event) => take(JSON.parse(event.data)));
  on("daemon", ({ Up, Words }) => {
    page.down = !Up;
    page.before = null;
    if (Up) summary();
    else say(`${Words}: the map is as it was, and goes on when it is back`, true);
  });
  on("survey", survey);
  on("traffic", traffic);
  stream.addEventListener("error", () => {
    const closed = stream.readyState === EventSource.CLOSED;
    say(closed ? "`linkspan web` no longer knows this page: open the address that it has printed last" : "`linkspan web` does not answer: has it ended?", true);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (!tracer.clear() && page.chosen) actions.close();
});
document.getElementById("fit").addEventListener("click", () => map.fit());
document.getElementById("zoom-in").addEventListener("click", () => map.zoom(1.3));
document.getElementById("zoom-out").addEventListener("click", () => map.zoom(1 / 1.3));
listen();
// For tests and for the curious: what is drawn, in the browser's console.
window.linkspan = { map, page };
