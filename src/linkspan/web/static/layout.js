// Where each node stands: always the same place for the same survey, so that the map does not jump about.
//
// From left to right, as a packet comes in: outside | interfaces, ports and bridges of the host | containers.
// Each network has a band of its own. In a tall place (a phone) there are two columns, the host and what is plugged in.

const STEP_X = 168;
const STEP_Y = 66;
const GAP = 90;
const TALLER = 1.4; // so much larger must a map in two columns be seen to be better than one from left to right

export const NODE = { width: 142, height: 50 };

/**
 * Return {places, tall}: a Map of node id -> {x, y} (boxes have no place, they lie around what is in them), laid
 * out so that it is seen largest in `width` by `height` pixels.
 */
export function layout(nodes, width, height) {
  const found = [false, true].map((tall) => ({ places: arranged(nodes, tall), tall }));
  const [wide, tall] = found.map(({ places }) => scale(places, width, height));
  return found[tall > wide * TALLER ? 1 : 0];
}

function arranged(nodes, tall) {
  const places = new Map();
  const of = (kind) => nodes.filter((each) => each.kind === kind);
  const bands = bandsOf(of("network"), of("container").filter((each) => !each.parent), of("port"), tall);
  const left = [...of("interface"), ...of("container").filter((each) => each.parent)];
  if (tall) stacked(places, of("place"), left, bands);
  else besides(places, of("place"), left, bands);
  return places;
}

/** How large a layout is seen when all of it is. */
function scale(places, width, height) {
  const xs = [...places.values()].map((each) => each.x);
  const ys = [...places.values()].map((each) => each.y);
  const extent = (values) => Math.max(...values) - Math.min(...values) + STEP_X;
  return Math.min(width / extent(xs), height / extent(ys));
}

/** One band for each network, with the containers and ports that are at home there; the rest in the last. */
function bandsOf(networks, containers, ports, tall) {
  const homes = [...networks.map((each) => each.id), undefined];
  return homes.map((home, index) => {
    const mine = containers.filter((each) => each.home === home);
    const open = ports.filter((each) => each.home === home);
    const columns = tall ? Math.ceil(mine.length / 40) || 1 : Math.max(1, Math.ceil(Math.sqrt(mine.length / 2)));
    const rows = Math.max(1, Math.ceil(mine.length / columns), Math.min(open.length, 6));
    return { network: networks[index], containers: mine, ports: open, columns, rows };
  }).filter((band) => band.network || band.containers.length || band.ports.length);
}

function besides(placed, outside, left, bands) {
  const portColumns = Math.max(0, ...bands.map((band) => Math.ceil(band.ports.length / band.rows)));
  const networkX = STEP_X * (2 + portColumns);
  const containerX = networkX + STEP_X + GAP;
  let y = 0;
  for (const band of bands) {
    const middle = y + ((band.rows - 1) * STEP_Y) / 2;
    if (band.network) placed.set(band.network.id, { x: networkX, y: middle });
    grid(placed, band.ports, STEP_X * 2, y, Math.ceil(band.ports.length / band.rows) || 1);
    grid(placed, band.containers, containerX, y, band.columns);
    y += band.rows * STEP_Y + STEP_Y / 3;
  }
  centred(placed, left, STEP_X, y);
  centred(placed, outside, -GAP / 2, y);
}

function stacked(placed, outside, left, bands) {
  const right = STEP_X + GAP;
  grid(placed, outside, right, 0, 1);
  let y = Math.max(grid(placed, left, 0, 0, 1), outside.length * STEP_Y) + STEP_Y / 2;
  for (const band of bands) {
    const below = grid(placed, band.ports, 0, y, 1);
    if (band.network) placed.set(band.network.id, { x: 0, y: below });
    const containers = grid(placed, band.containers, right, y, band.columns);
    y = Math.max(containers, below + STEP_Y) + STEP_Y / 3;
  }
}

/** Place nodes in rows of `columns`; the y below them. */
function grid(placed, nodes, x, y, columns) {
  nodes.forEach((node, index) => {
    placed.set(node.id, { x: x + (index % columns) * STEP_X, y: y + Math.floor(index / columns) * STEP_Y });
  });
  return y + Math.ceil(nodes.length / columns) * STEP_Y;
}

/** Place nodes below each other, in the middle of a height. */
function centred(placed, nodes, x, height) {
  const top = Math.max(0, (height - STEP_Y - nodes.length * STEP_Y) / 2);
  grid(placed, nodes, x, top, 1);
}
