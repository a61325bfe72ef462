// A survey as nodes and edges of the map. Nothing here knows how they are drawn.
//
// A node: {id, kind, name, lines, parent, about, from, to, port, protocol}: `lines` are what stands on it,
// `about` is the part of the survey that it stands for, `from` and `to` are what a trace calls it.

import { bare, global, portText } from "./text.js";

const NO_BRIDGE = ["host", "null"];
const ALIVE = ["running", "paused", "restarting"];

export const OUTSIDE = "outside";
export const HOST = "host";
export const containerNode = (id) => `container:${id}`;
export const networkNode = (id) => `network:${id}`;
export const interfaceNode = (name) => `interface:${name}`;

/** Return {nodes, edges, byLink, byAddress}: the map, and which node a host's link or an address belongs to. */
export function model(survey) {
  const networks = survey.Networks.filter((each) => !NO_BRIDGE.includes(each.Driver));
  const shown = new Set(networks.map((each) => each.Id));
  const on = (container) => container.Endpoints.filter((each) => shown.has(each.NetworkId));
  const nodes = [...places(), ...loopbackLast(survey.Host.Interfaces).map(interfaceOf), ...networks.map(networkOf)];
  const edges = survey.Host.Interfaces.filter((each) => each.Name !== "lo").map(uplink);
  for (const network of networks.filter((each) => each.Parent)) {
    edges.push({ id: `parent:${network.Id}`, kind: "parent", source: interfaceNode(network.Parent.split(".")[0]), target: networkNode(network.Id) });
  }
  for (const container of besideTheirPeers(survey.Containers)) {
    const points = on(container);
    nodes.push(containerOf(container, points, home(container, survey.Containers, on)), ...portsOf(container, points));
    edges.push(...points.map((point) => wire(container, point)), ...shared(container));
  }
  const known = new Set(nodes.map((each) => each.id));
  return {
    nodes,
    edges: edges.filter((each) => known.has(each.source) && known.has(each.target)),
    byLink: byLink(survey, networks),
    byAddress: byAddress(survey, networks),
  };
}

function places() {
  const place = (id, name, parent) => ({ id, kind: "place", name, lines: [name], parent, about: null, from: id, to: id });
  return [
    { ...place(OUTSIDE, "outside"), kind: "box" },
    place("lan", "LAN", OUTSIDE),
    place("internet", "internet", OUTSIDE),
    { ...place(HOST, "host"), kind: "box" },
  ];
}

const loopbackLast = (links) => [...links.filter((each) => each.Name !== "lo"), ...links.filter((each) => each.Name === "lo")];

function interfaceOf(link) {
  const addresses = global(link.Addresses);
  const up = link.Up || link.Name === "lo";
  return {
    id: interfaceNode(link.Name), kind: "interface", name: link.Name, parent: HOST, about: link, off: !up,
    lines: [`${link.Name} (${link.Index})`, addresses[0] ?? (up ? "" : "down")].filter(Boolean),
    from: "host", to: addresses.length ? bare(addresses[0]) : "host",
  };
}

function networkOf(network) {
  const traits = [network.Internal && "internal", !network.Icc && "icc off", network.Parent && `on ${network.Parent}`];
  const subnet = global(network.Addresses)[0] ?? network.Subnets[0]?.Subnet;
  const gateway = network.Addresses.length ? bare(network.Addresses[0]) : HOST;
  return {
    id: networkNode(network.Id), kind: "network", name: network.Name, parent: HOST, about: network,
    lines: [[network.Name, ...traits.filter(Boolean)].join(", "), network.Bridge || network.Driver, subnet].filter(Boolean),
    from: "host", to: gateway,
  };
}

/** Return the containers with those that share another's namespace behind that one. */
function besideTheirPeers(containers) {
  const guests = (id) => containers.filter((each) => each.Mode === `container:${id}`);
  const known = new Set(containers.map((each) => each.Id));
  const alone = containers.filter((each) => !known.has(peerOf(each)));
  const found = alone.flatMap((each) => [each, ...guests(each.Id)]);
  return [...found, ...containers.filter((each) => !found.includes(each))];
}

const peerOf = (container) => (container.Mode.startsWith("container:") ? container.Mode.slice("container:".length) : "");

/** The network in whose band a container stands: the one that it goes out by, or its peer does. */
function home(container, containers, on) {
  const peer = containers.find((each) => each.Id === peerOf(container)) ?? container;
  const point = on(peer).find((each) => each.Gateway) ?? on(peer)[0];
  return point && networkNode(point.NetworkId);
}

function containerOf(container, points, home) {
  const addresses = points.map((each) => bare(each.IPv4 || each.IPv6)).filter(Boolean);
  const alive = ALIVE.includes(container.State);
  const mode = container.Mode === "none" ? "no network" : container.Mode === "host" ? "host's network" : peerOf(container) ? "in its peer's namespace" : "";
  return {
    id: containerNode(container.Id), kind: "container", name: container.Name, about: container, off: !alive,
    parent: container.Mode === "host" && alive ? HOST : undefined, home,
    lines: [container.Name, ...addresses.slice(0, 2), alive ? (addresses.length ? "" : mode) : container.State].filter(Boolean),
    from: container.Name, to: container.Name, port: container.Ports[0]?.ContainerPort, protocol: container.Ports[0]?.Protocol,
  };
}

function portsOf(container, points) {
  const home = points.find((each) => each.Gateway) ?? points[0];
  // A port that is open on every address of both families is drawn once.
  const both = (port) => port.HostIp === "::" && container.Ports.some((each) => each.HostIp === "0.0.0.0"
    && each.HostPort === port.HostPort && each.Protocol === port.Protocol);
  return container.Ports.filter((port) => !both(port)).map((port) => ({
    id: `port:${container.Id}:${port.HostIp}:${port.HostPort}/${port.Protocol}`, kind: "port", name: portText(port),
    lines: [portText(port)], parent: HOST, about: { ...port, container }, home: home && networkNode(home.NetworkId),
    from: "host", to: ["0.0.0.0", "::"].includes(port.HostIp) ? "host" : port.HostIp, port: port.HostPort, protocol: port.Protocol,
  }));
}

const uplink = (link) => ({ id: `uplink:${link.Name}`, kind: "uplink", source: OUTSIDE, target: interfaceNode(link.Name), link: link.Name });

const wire = (container, point) => ({
  id: `wire:${container.Id}:${point.NetworkId}`, kind: "wire", link: point.HostLink,
  source: networkNode(point.NetworkId), target: containerNode(container.Id),
  names: point.HostLink ? `${point.HostLink} (${point.HostIndex})\n↔ ${point.Link} (${point.LinkIndex})` : point.Link,
});

/** A container in the namespace of another hangs on that one. */
function shared(container) {
  const peer = peerOf(container);
  return !peer ? [] : [{ id: `shared:${container.Id}`, kind: "shared", source: containerNode(peer), target: containerNode(container.Id), names: "one namespace" }];
}

function byLink(survey, networks) {
  const found = new Map(survey.Host.Interfaces.map((each) => [each.Name, interfaceNode(each.Name)]));
  for (const network of networks) if (network.Bridge) found.set(network.Bridge, networkNode(network.Id));
  for (const container of survey.Containers) {
    for (const point of container.Endpoints) if (point.HostLink) found.set(point.HostLink, containerNode(container.Id));
  }
  return found;
}

function byAddress(survey, networks) {
  const found = new Map();
  for (const link of survey.Host.Interfaces) for (const each of link.Addresses) found.set(bare(each), interfaceNode(link.Name));
  for (const network of networks) for (const each of network.Addresses) found.set(bare(each), networkNode(network.Id));
  for (const container of survey.Containers) {
    for (const point of container.Endpoints) {
      for (const each of [point.IPv4, point.IPv6]) if (each) found.set(bare(each), containerNode(container.Id));
    }
  }
  return found;
}
