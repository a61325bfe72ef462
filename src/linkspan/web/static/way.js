// A trace as a path over the map: which nodes the packet comes by, and at which of them each step happens.

import { containerNode, interfaceNode } from "./model.js";
import { bare } from "./text.js";

const REACHED = ["arrives", "refused"];

/**
 * Return {path, places}: `path` is a list of node ids without repetition in a row, `places` the index in it for
 * each step of the trace. `found` is the daemon's answer, `map` what model() returned, `survey` what it was made of.
 */
export function way(found, map, survey) {
  const path = [];
  const places = [];
  const add = (node) => {
    if (node && path.at(-1) !== node) path.push(node);
  };
  let port = null; // a published port that the packet is for: it stands behind the link that it comes in by
  let links = {}; // by which it came into the host and leaves it, as drawn already: hooks name them again
  add(startOf(found.From, map, survey));
  for (const step of found.Steps) {
    if (step.Namespace) {
      links = {};
      add(containerIn(step.Namespace, survey));
    } else {
      if (!step.Incoming && step.Outgoing) links = {}; // sent by the host itself
      port ??= portOf(step.Packet, map);
      if (step.Incoming && links.in !== step.Incoming) {
        if (links.out !== step.Incoming) add(map.byLink.get(step.Incoming)); // lo: out and in again
        add(port);
        port = port && DRAWN;
      }
      if (step.Outgoing && links.out !== step.Outgoing) add(map.byLink.get(step.Outgoing));
      links = { in: step.Incoming || links.in, out: step.Outgoing || links.out };
    }
    places.push(Math.max(0, path.length - 1));
  }
  add(endOf(found, map, survey));
  if (places.length && REACHED.includes(found.Verdict)) places[places.length - 1] = path.length - 1;
  return { path, places };
}

/** Stands for a port that has been drawn already. */
const DRAWN = "";

function startOf(from, map, survey) {
  const sender = survey.Containers.find((each) => each.Name === from);
  if (sender) return containerNode(sender.Id);
  if (from === "lan" || from === "internet") return from;
  if (from === "host") return null; // where it goes out is where it begins
  if (map.byAddress.has(from)) return map.byAddress.get(from);
  return isAddress(from) ? "lan" : null;
}

function endOf(found, map, survey) {
  const last = found.Steps.at(-1);
  if (found.Verdict === "leaves") return wire(found.To, last, survey);
  if (!last || last.Namespace || !REACHED.includes(found.Verdict)) return null;
  return map.byAddress.get(destination(last.Packet).address);
}

/** Where a packet that has left comes out: at a container on the LAN itself (macvlan), a neighbour, or the world. */
function wire(to, last, survey) {
  const { address } = destination(last.Packet);
  const there = survey.Containers.find((each) => each.Endpoints.some((point) => !point.HostLink && bare(point.IPv4) === address));
  if (there) return containerNode(there.Id);
  const near = survey.Host.Interfaces.some((link) => link.Addresses.some((own) => within(address, own)));
  return near || last.Namespace || to.startsWith("lan") ? "lan" : "internet";
}

/** Whether an IPv4 address is in the network of an interface's ("10.0.0.5/24"). */
function within(address, own) {
  const [network, length] = own.split("/");
  if (address.includes(":") || network.includes(":")) return false;
  const number = (text) => text.split(".").reduce((sum, each) => sum * 256 + Number(each), 0);
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(address) / size) === Math.floor(number(network) / size);
}

function containerIn(namespace, survey) {
  const found = survey.Containers.find((each) => each.Sandbox === namespace);
  return found ? containerNode(found.Id) : null;
}

/** The node of a published port that a packet is for, while it still is for an address of the host. */
function portOf(packet, map) {
  const { protocol, address, port } = destination(packet);
  if (!port || (map.byAddress.get(address) ?? interfaceNode("lo")).startsWith("container:")) return null;
  const node = map.nodes.find((each) => each.kind === "port" && each.about.Protocol === protocol
    && port >= each.about.HostPort && port < each.about.HostPort + each.about.Count);
  return node ? node.id : null;
}

/** "tcp 10.0.0.1:40000 → [fd00::2]:80" -> {protocol, address, port}; port 0 where there is none. */
export function destination(packet) {
  const protocol = packet.split(" ")[0];
  const text = packet.split("→ ").at(-1).split(" ")[0];
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([\d.]+)(?::(\d+))?$/.exec(text);
  return match ? { protocol, address: match[1], port: Number(match[2] ?? 0) } : { protocol, address: text, port: 0 };
}

const isAddress = (text) => /^[\d.]+$/.test(text) || text.includes(":");
