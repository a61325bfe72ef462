// Asking for a trace, by form or by clicking, and telling the packet's way step by step.

import { ask } from "./ask.js";
import { ruleElement } from "./rules.js";
import { element } from "./text.js";
import { way } from "./way.js";

export class Tracer {
  /** `page` has map (NetworkMap), view() (model and survey as they are now) and node(id). */
  constructor(page) {
    this.page = page;
    this.form = document.getElementById("trace");
    this.result = document.getElementById("way");
    this.verdict = document.getElementById("verdict");
    this.advice = document.getElementById("advice");
    this.steps = document.getElementById("steps");
    this.pick = document.getElementById("pick");
    this.hint = document.getElementById("picking");
    this.stage = null; // "from" or "to" while nodes are being picked
    this.asked = 0;
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.run(); });
    this.pick.addEventListener("click", () => this.choose(this.stage ? null : "from"));
    document.getElementById("clear").addEventListener("click", () => this.clear());
  }

  /** Offer names of places to write in. */
  offer(nodes) {
    const names = new Set(["host", "lan", "internet", ...nodes.filter((each) => each.kind === "container").map((each) => each.name)]);
    document.getElementById("places").replaceChildren(...[...names].map((value) => element("option", { value })));
  }

  choose(stage) {
    this.stage = stage;
    this.pick.setAttribute("aria-pressed", String(Boolean(stage)));
    this.hint.hidden = !stage;
    this.hint.textContent = stage === "from" ? "Click where the packet starts" : "Click where it goes";
  }

  /** Take a clicked node if one is asked for; whether it was. */
  take(node) {
    if (!this.stage) return false;
    if (this.stage === "from") this.from(node);
    else this.to(node);
    return true;
  }

  from(node) {
    this.form.elements.from.value = node.from;
    this.choose("to");
  }

  to(node) {
    const fields = this.form.elements;
    fields.to.value = node.to;
    fields.port.value = node.port ?? "";
    if (node.protocol) fields.protocol.value = node.protocol;
    this.choose(null);
    if (fields.from.value) this.run();
    else fields.from.focus();
  }

  async run() {
    const { from, to, port, protocol, live } = this.form.elements;
    const aim = port.value ? `${bracketed(to.value.trim())}:${port.value}/${protocol.value}` : to.value.trim();
    const query = { from: from.value.trim(), to: aim, ...(live.checked ? { live: "1" } : {}) };
    const turn = ++this.asked;
    this.choose(null);
    this.result.hidden = false;
    this.say("asking…", "");
    try {
      const found = await ask("/api/trace", query);
      if (turn === this.asked) this.tell(found);
    } catch (error) {
      if (turn !== this.asked) return;
      this.page.map.erase();
      this.steps.replaceChildren();
      this.advice.replaceChildren();
      this.say(error.message, "bad");
    }
  }

  say(text, kind) {
    this.verdict.textContent = text;
    this.verdict.className = kind;
  }

  tell(found) {
    const { map, survey } = this.page.view();
    const { path, places } = way(found, map, survey);
    this.page.map.draw(path, found.Reaches);
    this.say(`${found.Reaches ? "✓" : "✗"} ${found.Words}`, found.Reaches ? "good" : "bad");
    this.advice.replaceChildren(...advice(found));
    this.steps.replaceChildren(...told(found.Steps).map(({ step, index }) => this.item(step, path[places[index]])));
    this.result.scrollIntoView({ block: "nearest" });
  }

  item(step, node) {
    const words = step.Words || (step.Hook ? `${step.Hook}` : "");
    const button = element("button", { type: "button" }, `${step.Place}: ${words}`, element("span", { className: "packet" }, step.Packet));
    const item = element("li", {}, button, ...step.Rules.map((rule) => ruleElement(step.Hook, rule)));
    button.addEventListener("click", () => {
      for (const each of this.steps.children) each.classList.toggle("here", each === item);
      this.page.map.here(node);
    });
    return item;
  }

  /** Forget the trace; whether there was one, or one was being asked for. */
  clear() {
    const busy = !this.result.hidden || Boolean(this.stage);
    this.asked += 1;
    this.choose(null);
    this.result.hidden = true;
    this.say("", "");
    this.page.map.erase();
    return busy;
  }
}

const bracketed = (name) => (name.includes(":") && !name.startsWith("[") ? `[${name}]` : name);

/** The steps at which something happens, with their place in the whole. */
const told = (steps) => steps.map((step, index) => ({ step, index })).filter(({ step }) => step.Words || step.Rules.length);

function advice(found) {
  const parts = [];
  if (found.Rule) parts.push(element("p", {}, `by ${found.By}: `, element("code", {}, `${found.Rule.Table} ${found.Rule.Text}`)));
  if (found.Remedy && !found.Reaches) parts.push(element("p", {}, `Remedy: ${found.Remedy}`));
  if (found.Live) {
    parts.push(element("p", {}, `A real packet: ${found.Live.Outcome}, ${found.Live.Agrees ? "as computed" : "NOT as computed"}`));
    parts.push(element("details", {}, element("summary", {}, "The kernel's own words"), element("pre", {}, found.Live.Kernel.join("\n"))));
  }
  return parts;
}
