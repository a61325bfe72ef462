// The map itself: Cytoscape with our nodes at our places, in the colours of the style sheet.

import cytoscape from "./cytoscape.esm.min.mjs";
import { layout, NODE } from "./layout.js";
import { bytes } from "./text.js";

const READABLE = 0.8; // a tall map begins with its top at this size, rather than all of it too small to read
const HOP = 280; // milliseconds between two hops of a trace
const PADDING = 24;

/** The palette as it is now, light or dark. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

function sheet() {
  const colour = palette();
  const kind = (name, extra) => ({ selector: `node[kind="${name}"]`, style: { "background-color": colour(name), ...extra } });
  return [
    { selector: "node", style: {
      shape: "round-rectangle", width: NODE.width, height: NODE.height, label: "data(label)", "text-wrap": "wrap",
      "text-max-width": NODE.width - 4, "text-valign": "center", "font-size": 13, color: colour("ink"),
      "font-family": "system-ui, DejaVu Sans, sans-serif", "border-width": 1, "border-color": colour("wire"),
      "background-color": colour("container"), "overlay-opacity": 0,
    } },
    kind("interface"), kind("network"), kind("container"), kind("port", { height: 36, "font-size": 12 }), kind("place", { "background-color": colour("outside") }),
    kind("box", { "background-color": colour("host"), "text-valign": "top", "font-size": 14, "border-style": "dashed", padding: 14 }),
    { selector: "node[?off]", style: { opacity: 0.55, "border-style": "dashed" } },
    { selector: "edge", style: {
      width: "data(width)", "line-color": colour("wire"), "curve-style": "straight", "target-label": "data(label)",
      "target-text-offset": 46, "font-size": 11, color: colour("ink"), "text-background-color": colour("ground"), "text-background-opacity": 0.85,
      "text-background-padding": 2, "min-zoomed-font-size": 6, "text-wrap": "wrap", "overlay-opacity": 0,
    } },
    { selector: "edge.busy", style: { "line-color": colour("busy") } },
    { selector: 'edge[kind="shared"], edge[kind="parent"]', style: { "line-style": "dashed" } },
    { selector: "node.chosen", style: { "border-width": 3, "border-color": colour("accent") } },
    { selector: ".faded", style: { opacity: 0.4 } },
    { selector: "node.passed", style: { "border-width": 3, "border-color": colour("accent"), opacity: 1 } },
    { selector: "node.reached", style: { "border-color": colour("good") } },
    { selector: "node.stopped", style: { "border-color": colour("bad") } },
    { selector: "node.here", style: { "border-width": 6 } },
    { selector: "edge.hop", style: {
      "curve-style": "bezier", "control-point-step-size": 20, width: 4, "line-color": colour("accent"), "target-arrow-color": colour("accent"), "target-arrow-shape": "triangle",
      "font-size": 14, "font-weight": "bold", "target-label": "", label: "data(label)", "text-margin-y": -12,
      "text-background-opacity": 0, opacity: 1, "z-index": 10,
    } },
    { selector: "edge.hop.bad", style: { "line-color": colour("bad"), "target-arrow-color": colour("bad") } },
  ];
}

export class NetworkMap {
  /** Draw into `place`; `chosen(id)` is called when somebody clicks a node. */
  constructor(place, chosen) {
    this.place = place;
    this.cy = cytoscape({ container: place, style: sheet(), minZoom: 0.05, maxZoom: 3, autoungrabify: true, boxSelectionEnabled: false, selectionType: "single" });
    this.nodes = [];
    this.names = new Map();
    this.rates = new Map();
    this.whole = false; // whether all of it is to be seen, however small
    this.free = false; // whether somebody has moved the map: then it stays where it is
    this.cy.on("tap", "node", (event) => chosen(event.target.id()));
    this.cy.on("dragpan pinchzoom scrollzoom", () => { this.free = true; });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.cy.style(sheet()));
    new ResizeObserver(() => { this.cy.resize(); this.settle(); }).observe(place);
  }

  /** Show these nodes and edges of model(): what is new comes, what is gone goes, the rest stays. */
  show({ nodes, edges }) {
    this.nodes = nodes;
    this.cy.batch(() => {
      const wanted = new Set([...nodes, ...edges].map((each) => each.id));
      this.cy.elements().filter((each) => !wanted.has(each.id()) && !each.hasClass("hop")).remove();
      for (const node of [...nodes].sort((a, b) => (a.kind === "box" ? 0 : 1) - (b.kind === "box" ? 0 : 1))) {
        this.put("nodes", { id: node.id, kind: node.kind, label: node.lines.join("\n"), off: node.off, parent: node.parent });
      }
      for (const edge of edges) {
        this.names.set(edge.id, edge.names ?? "");
        this.put("edges", { id: edge.id, kind: edge.kind, source: edge.source, target: edge.target, link: edge.link ?? "" });
      }
    });
    this.settle();
    this.label();
  }

  put(group, data) {
    const there = this.cy.getElementById(data.id);
    if (there.nonempty() && there.data("parent") === data.parent) there.data(data);
    else {
      there.remove();
      this.cy.add({ group, data: group === "edges" ? { width: 1.5, label: "", ...data } : data });
    }
  }

  /** Put every node into its place, and the map into view unless somebody has moved it. */
  settle() {
    const { clientWidth, clientHeight } = this.place;
    const { places, tall } = layout(this.nodes, clientWidth, clientHeight);
    this.cy.batch(() => places.forEach((place, id) => this.cy.getElementById(id).position(place)));
    if (this.free) return;
    this.cy.fit(this.cy.nodes(), PADDING);
    const box = this.cy.nodes().boundingBox();
    const readable = Math.min(READABLE, clientWidth / (box.w + PADDING));
    if (!tall || this.whole || this.cy.zoom() >= readable) return;
    this.cy.zoom(readable);
    this.cy.pan({ x: (clientWidth - (box.x1 + box.x2) * readable) / 2, y: PADDING - box.y1 * readable });
  }

  /** Show all of it, and go on doing so. */
  fit() {
    this.free = false;
    this.whole = true;
    this.settle();
  }

  zoom(factor) {
    this.free = true;
    this.cy.zoom({ level: this.cy.zoom() * factor, renderedPosition: { x: this.place.clientWidth / 2, y: this.place.clientHeight / 2 } });
  }

  /** Mark a node (null: none), and write the names of its links on them. */
  choose(id) {
    this.cy.nodes().removeClass("chosen");
    if (id) this.cy.getElementById(id).addClass("chosen");
    this.label();
  }

  /** Take the rates: a Map of a host link's name -> {rx, tx} in bytes per second. */
  traffic(rates) {
    this.rates = rates;
    this.label();
  }

  label() {
    this.cy.batch(() => this.cy.edges().not(".hop").forEach((edge) => {
      const { rx = 0, tx = 0 } = this.rates.get(edge.data("link")) ?? {};
      const total = rx + tx;
      const lines = [];
      if (edge.connectedNodes(".chosen").nonempty()) lines.push(this.names.get(edge.id()));
      if (total >= 1) lines.push(`↓ ${bytes(rx)}/s\n↑ ${bytes(tx)}/s`);
      edge.data({ label: lines.filter(Boolean).join("\n"), width: 1.5 + Math.min(7, Math.max(0, Math.log10(total + 1))) });
      edge.toggleClass("busy", total >= 1);
    }));
  }

  /** Draw a packet's way along `path` (node ids), one hop after the other; `good` says whether it gets there. */
  draw(path, good) {
    this.erase();
    const passed = path.reduce((all, id) => all.union(this.cy.getElementById(id)), this.cy.collection());
    this.cy.elements().not(passed.union(passed.ancestors())).addClass("faded");
    this.reveal(passed);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (index) => {
      const node = this.cy.getElementById(path[index]);
      node.addClass("passed");
      if (index > 0) this.hop(path, index, good);
      if (index === path.length - 1) node.addClass(good ? "reached" : "stopped");
      else if (still) step(index + 1);
      else this.timer = setTimeout(step, HOP, index + 1);
    };
    if (path.length) step(0);
  }

  /** Bring elements into view when some of them are not. */
  reveal(elements) {
    const [seen, wanted] = [this.cy.extent(), elements.boundingBox()];
    if (wanted.x1 >= seen.x1 && wanted.x2 <= seen.x2 && wanted.y1 >= seen.y1 && wanted.y2 <= seen.y2) return;
    this.cy.fit(elements, PADDING);
  }

  hop(path, index, good) {
    const [source, target] = [path[index - 1], path[index]];
    if ([source, target].some((id) => this.cy.getElementById(id).empty())) return;
    const last = !good && index === path.length - 1;
    this.cy.add({ group: "edges", classes: last ? "hop bad" : "hop", data: { id: `hop:${index}`, source, target, label: `${index}`, width: 4, link: "" } });
  }

  /** Mark where one step of the way happens. */
  here(id) {
    this.cy.nodes().removeClass("here");
    if (id) this.cy.getElementById(id).addClass("here");
  }

  erase() {
    clearTimeout(this.timer);
    this.cy.edges(".hop").remove();
    this.cy.elements().removeClass("faded passed reached stopped here");
  }
}
