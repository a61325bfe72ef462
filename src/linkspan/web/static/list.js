// Everything on the map as a list of buttons: the way through the page for keyboards and screen readers.

import { element } from "./text.js";

const GROUPS = [["container", "Containers"], ["network", "Networks"], ["port", "Published ports"], ["interface", "Host interfaces"], ["place", "Outside"]];

export class NodeList {
  /** `actions` has open(id), from(id) and to(id). */
  constructor(list, find, actions) {
    this.list = list;
    this.find = find;
    this.nodes = [];
    this.current = null;
    find.addEventListener("input", () => this.render());
    list.addEventListener("click", (event) => {
      const id = event.target.closest("button")?.dataset.id;
      if (id) actions.open(id);
    });
    list.addEventListener("keydown", (event) => this.key(event, actions));
  }

  show(nodes) {
    this.nodes = nodes;
    this.render();
  }

  mark(id) {
    this.current = id;
    for (const each of this.buttons()) each.setAttribute("aria-current", String(each.dataset.id === id));
  }

  /** Put the focus on a node's button. */
  focus(id) {
    const button = this.buttons().find((each) => each.dataset.id === id);
    if (button) this.rove(button);
  }

  buttons() {
    return [...this.list.querySelectorAll("button")];
  }

  render() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const word = this.find.value.trim().toLowerCase();
    const found = this.nodes.filter((each) => each.lines.join(" ").toLowerCase().includes(word));
    this.list.replaceChildren(...GROUPS.map(([kind, title]) => group(title, found.filter((each) => each.kind === kind))).filter(Boolean));
    this.mark(this.current);
    const buttons = this.buttons();
    const tabbed = buttons.find((each) => each.dataset.id === (focused ?? this.current)) ?? buttons[0];
    if (tabbed) tabbed.tabIndex = 0;
    if (focused && tabbed) tabbed.focus();
  }

  /** Only one button is reached by Tab; the arrow keys move among them. */
  rove(button) {
    for (const each of this.buttons()) each.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  key(event, actions) {
    const buttons = this.buttons();
    const at = buttons.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
    if (event.key in moves) this.rove(buttons[Math.min(buttons.length - 1, Math.max(0, moves[event.key]))]);
    else if (event.key === "f") actions.from(buttons[at].dataset.id);
    else if (event.key === "t") actions.to(buttons[at].dataset.id);
    else return;
    event.preventDefault();
  }
}

function group(title, nodes) {
  if (!nodes.length) return null;
  const items = nodes.map((node) => {
    const [first, ...rest] = node.lines;
    const button = element("button", { type: "button", tabIndex: -1 }, first, element("small", {}, rest.join("  ")));
    button.dataset.id = node.id;
    return element("li", {}, button);
  });
  return element("li", {}, element("h2", {}, title), element("ul", {}, ...items));
}
