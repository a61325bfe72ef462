// The rules that a packet meets, as the trace tells them.

import { element } from "./text.js";

const PLAIN = ["jump", "goto", "return", "continue"];
const STOPS = ["drop", "reject"];

/** One rule: its table, text, counter, what it does, and who put it there. */
export function ruleElement(hook, rule) {
  const counted = rule.Packets >= 0 ? ` · ${rule.Packets} packets` : "";
  const does = rule.Doubt ? `cannot be decided without a real packet: ${rule.Doubt}` : rule.Does === "return" ? "leaves this chain" : rule.Does;
  const effect = PLAIN.includes(rule.Does) && !rule.Doubt && rule.Does !== "return" ? null : element("div", {}, `→ ${does}`);
  const kind = STOPS.some((each) => rule.Does.startsWith(each)) ? "stops" : effect && !PLAIN.includes(rule.Does) ? "rewrites" : "";
  const by = rule.By ? ` · by ${rule.By}` : "";
  return element("div", { className: `rule ${kind}` }, element("div", {}, `${hook}, ${rule.Table}${counted}${by}`), element("code", {}, rule.Text || rule.Chain), effect);
}
