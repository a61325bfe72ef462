// Numbers, ports and addresses as people read them, and small pieces of page.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 1500 -> "1.5 kB". */
export function bytes(count) {
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${UNITS[unit]}`;
}

/** An address without its prefix length. */
export const bare = (address) => address.split("/")[0];

/** Addresses without those that only mean something on their link. */
export const global = (addresses) => addresses.filter((each) => !each.startsWith("fe80:"));

/** A published port as "8080 → 80/tcp", with the host's address where it is not every one. */
export function portText(port) {
  const run = (first) => (port.Count > 1 ? `${first}-${first + port.Count - 1}` : `${first}`);
  const everywhere = ["0.0.0.0", "::"].includes(port.HostIp);
  const address = port.HostIp.includes(":") ? `[${port.HostIp}]` : port.HostIp;
  return `${everywhere ? "" : `${address}:`}${run(port.HostPort)} → ${run(port.ContainerPort)}/${port.Protocol}`;
}

/** An element with properties and children; strings become text, never markup. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.startsWith("aria-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}
