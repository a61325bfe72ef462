// What there is to know of one node: facts, links with their counters, the rules of a port, the commands behind it.

import { ask } from "./ask.js";
import { ruleElement } from "./rules.js";
import { bytes, element, global, portText } from "./text.js";

/** Return the contents of the panel. `counters` has the newest by link, `actions` open(id), from(id), to(id), close(). */
export function describe(node, counters, actions) {
  const parts = (KINDS[node.kind] ?? (() => []))(node, counters, actions);
  const heading = element("h2", { tabIndex: -1 }, node.kind === "box" || node.kind === "place" ? node.name : `${WORDS[node.kind]} ${node.name}`);
  const buttons = element("div", { className: "buttons" },
    element("button", { type: "button", onclick: () => actions.from(node.id) }, "Trace from here"),
    element("button", { type: "button", onclick: () => actions.to(node.id) }, "Trace to here"),
    element("button", { type: "button", onclick: () => actions.close() }, "Close"));
  return [heading, ...parts, buttons];
}

const WORDS = { container: "Container", network: "Network", interface: "Interface", port: "Port" };

const KINDS = {
  container(node, counters, actions) {
    const it = node.about;
    const mode = it.Mode.startsWith("container:") ? "the namespace of another container" : it.Mode;
    return [
      facts({ State: it.State, Image: it.Image, Process: it.Pid || "", Id: it.Id.slice(0, 12), "Network mode": mode, Project: it.Project, Service: it.Service, Namespace: it.Sandbox }),
      ...it.Endpoints.filter((each) => each.Link).flatMap((point) => [
        element("h3", {}, `On ${point.Network}${point.Gateway ? " (the way out)" : ""}`),
        facts({ Addresses: [point.IPv4, point.IPv6].filter(Boolean).join("  "), MAC: point.MacAddress, "Veth pair": point.HostLink ? `${point.HostLink} (${point.HostIndex}) on ${point.Bridge} ↔ ${point.Link} (${point.LinkIndex})` : point.Link, Names: point.Names.join(", ") }),
        counted([[point.HostLink || point.Link, counters.get(point.HostLink)]]),
      ]),
      ...ports(it, actions),
      commands(it.Name),
    ];
  },
  network(node, counters, actions) {
    const it = node.about;
    const members = node.members ?? [];
    return [
      facts({ Driver: it.Driver, Bridge: it.Bridge ? `${it.Bridge} (${it.Index})${it.Up ? "" : ", down"}` : "", Parent: it.Parent, Subnets: it.Subnets.map((each) => each.Subnet).join("  "), Gateway: global(it.Addresses).join("  "), "Leads outside": it.Internal ? "no: internal" : "yes", "Between members": it.Icc ? "open" : "closed: icc off", Project: it.Project, Id: it.Id.slice(0, 12) }),
      members.length ? element("h3", {}, "Members, and what they have received and sent") : element("p", {}, "Nobody is on it."),
      members.length ? counted(members.map(({ name, link }) => [name, counters.get(link)])) : "",
      element("div", { className: "buttons" }, ...members.map(({ id, name }) => element("button", { type: "button", onclick: () => actions.open(id) }, name))),
      commands(it.Name),
    ];
  },
  interface(node, counters) {
    const it = node.about;
    return [
      facts({ Index: it.Index, Kind: it.Kind, Addresses: it.Addresses.join("  "), MAC: it.MacAddress, MTU: it.Mtu, State: it.Up || it.Name === "lo" ? "up" : "down" }),
      element("h3", {}, "What the host has received and sent by it"),
      counted([[it.Name, counters.get(it.Name)]]),
    ];
  },
  port(node, counters, actions) {
    const it = node.about;
    const open = actions.open.bind(null, `container:${it.container.Id}`);
    return [
      facts({ "Host address": it.HostIp, "Host port": run(it.HostPort, it.Count), "Container port": `${run(it.ContainerPort, it.Count)}/${it.Protocol}` }),
      element("div", { className: "buttons" }, element("button", { type: "button", onclick: open }, `Container ${it.container.Name}`)),
      element("h3", {}, `Rules that a packet from ${sender(it)} meets`),
      rules(it),
    ];
  },
};

const run = (first, count) => (count > 1 ? `${first}-${first + count - 1}` : `${first}`);
const LOOPBACK = /^(127\.|::1$)/;
const sender = (port) => (LOOPBACK.test(port.HostIp) ? "host" : "lan");

function facts(pairs) {
  const shown = Object.entries(pairs).filter(([, value]) => value !== "");
  return element("dl", {}, ...shown.flatMap(([key, value]) => [element("dt", {}, key), element("dd", {}, String(value))]));
}

/** A table of counters, by rows of [name, [bytes, packets and dropped received, the same sent]]. */
function counted(rows) {
  const known = rows.filter(([, counts]) => counts);
  if (!known.length) return element("p", {}, "No counters: its link has no end on the host.");
  const cell = (name, text) => element(name, { className: "number" }, text);
  const line = (title, [size, packets, dropped]) => element("tr", {}, element("td", {}, title), cell("td", bytes(size)), cell("td", String(packets)), cell("td", String(dropped)));
  return element("table", {},
    element("thead", {}, element("tr", {}, element("th", {}), cell("th", "bytes"), cell("th", "packets"), cell("th", "dropped"))),
    element("tbody", {}, ...known.flatMap(([name, counts]) => [line(`${name} received`, counts.slice(0, 3)), line(`${name} sent`, counts.slice(3))])));
}

function ports(container, actions) {
  if (!container.Ports.length) return [];
  const buttons = container.Ports.map((port) => element("button", { type: "button", onclick: () => actions.open(`port:${container.Id}:${port.HostIp}:${port.HostPort}/${port.Protocol}`) }, portText(port)));
  return [element("h3", {}, "Published ports"), element("div", { className: "buttons" }, ...buttons)];
}

/** The commands that build it, asked for when they are opened. */
function commands(name) {
  const place = element("div", {});
  const box = element("details", {}, element("summary", {}, "Commands that build this by hand: links, rules, and why"), place);
  box.addEventListener("toggle", async () => {
    if (!box.open || place.hasChildNodes()) return;
    try {
      for (const group of await ask("/api/commands", { name })) {
        const lines = group.Commands.flatMap(({ Text, Why }) => [...(Why ? [element("span", { className: "why" }, `# ${Why}\n`)] : []), `${Text}\n`]);
        place.append(element("h3", {}, group.Title), element("pre", {}, ...lines));
      }
    } catch (error) {
      place.append(element("p", { className: "error" }, error.message));
    }
  });
  return box;
}

/** The rules on the way to a published port, with what they have counted. */
function rules(port) {
  const place = element("div", { "aria-live": "polite" }, "asking…");
  const wildcard = ["0.0.0.0", "::"].includes(port.HostIp);
  const host = wildcard ? "host" : port.HostIp.includes(":") ? `[${port.HostIp}]` : port.HostIp;
  ask("/api/trace", { from: sender(port), to: `${host}:${port.HostPort}/${port.Protocol}` }).then(
    (found) => {
      const met = found.Steps.flatMap((step) => step.Rules.map((rule) => ruleElement(step.Hook, rule)));
      place.replaceChildren(...met, element("p", {}, met.length ? found.Words : `none: ${found.Words}`));
    },
    (error) => place.replaceChildren(element("p", { className: "error" }, error.message)),
  );
  return place;
}
