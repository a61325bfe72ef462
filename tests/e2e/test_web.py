"""The web page in a real browser, which lives in the lab's host beside the page's server."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from linkspan.lab import Lab
from linkspan.lab.lab import installed

WEB = "mkdir -p /www; echo hi > /www/index.html; exec httpd -f -h /www -p 80"
DRAWN = "id => linkspan.map.cy.getElementById(id).nonempty()"
PLACE = """name => {
  const node = linkspan.map.nodes.find((each) => each.name === name);
  const { x, y } = linkspan.map.cy.getElementById(node.id).renderedPosition();
  const box = document.getElementById("map").getBoundingClientRect();
  return [box.left + x, box.top + y];
}"""
HOPS = """() => linkspan.map.cy.edges(".hop").map((each) =>
  [each.source(), each.target()].map((node) => node.data("label").split("\\n")[0]))"""


@dataclass
class Town:
    """A lab with a daemon, the page's server in its host, and a browser there."""

    lab: Lab
    url: str
    page: Page
    noise: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.url.partition("?")[0]

    def click_on_map(self, name: str) -> None:
        self.page.mouse.click(*self.page.evaluate(PLACE, name))

    def trace(self, begin: str, aim: str, port: str = "") -> None:
        form = self.page.get_by_role("form", name="Trace a packet")
        form.get_by_label("From").fill(begin)
        form.get_by_label("To", exact=True).fill(aim)
        form.get_by_label("Port").fill(port)
        form.get_by_role("button", name="Trace", exact=True).click()

    def hops(self, count: int) -> list[list[str]]:
        """The hops drawn, once there are so many."""
        self.page.wait_for_function(f'() => linkspan.map.cy.edges(".hop").length === {count}')
        found: list[list[str]] = self.page.evaluate(HOPS)
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Lab() as lab, sync_playwright() as playwright:
        lab.daemon()
        lab.docker("network", "create", "--internal", "shut")
        lab.docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", WEB)
        lab.docker("run", "-d", "--name", "peer", "busybox", "sleep", "1000")
        lab.docker("run", "-d", "--name", "db", "--network", "shut", "busybox", "sleep", "1000")
        host = lab.place("host")
        command = ["env", f"LINKSPAN_HOST={lab.docker_host}", installed("linkspan"), "web", "--port", "0"]
        with subprocess.Popen(host.command(command), stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", server.stdout.readline())
            assert url
            starter = tmp_path_factory.mktemp("browser") / "chromium"
            starter.write_text(f'#!/bin/sh\nexec nsenter --net={host.namespace()} chromium "$@"\n')
            starter.chmod(0o755)
            browser = playwright.chromium.launch(executable_path=starter, args=["--no-sandbox"])
            yield opened(lab, url[0], browser.new_page(viewport={"width": 1280, "height": 800}))
            browser.close()
            lab.close()


def opened(lab: Lab, url: str, page: Page) -> Town:
    town = Town(lab, url, page)
    page.set_default_timeout(5000)
    page.on("console", lambda said: town.noise.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: town.noise.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(town.origin) or town.noise.append(asked.url))
    page.goto(url)
    expect(page.get_by_role("button", name="web 172.17.0.2")).to_be_visible()
    return town


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    """The page, which must have asked nobody else and complained of nothing when the test is over."""
    yield built
    built.page.keyboard.press("Escape")
    built.page.keyboard.press("Escape")
    assert built.noise == []


def test_a_container_that_was_started_is_shown_within_a_second(town):
    town.lab.docker("run", "-d", "--name", "fresh", "-p", "8081:80", "busybox", "sleep", "1000")
    begin = time.monotonic()
    expect(town.page.get_by_role("button", name="fresh 172.17.0.4")).to_be_visible()
    assert town.page.evaluate(DRAWN, town.page.evaluate("linkspan.map.nodes.find(n => n.name == 'fresh').id"))
    assert time.monotonic() - begin < 1
    town.lab.docker("rm", "-f", "fresh")
    begin = time.monotonic()
    expect(town.page.get_by_role("button", name="fresh")).to_have_count(0)
    assert time.monotonic() - begin < 1


def test_a_trace_is_asked_for_by_clicking_and_drawn_hop_by_hop(town):
    town.page.get_by_role("button", name="Click on the map").click()
    town.click_on_map("LAN")
    town.click_on_map("8080 → 80/tcp")
    expect(town.page.locator("#verdict")).to_have_text("✓ taken by httpd in web")
    assert town.hops(4) == [
        ["LAN", "eth0 (2)"],
        ["eth0 (2)", "8080 → 80/tcp"],
        ["8080 → 80/tcp", "bridge"],
        ["bridge", "web"],
    ]
    expect(town.page.locator("#steps")).to_contain_text("--dport 8080 -j DNAT")
    town.page.locator("#steps button").last.click()
    assert town.page.evaluate("linkspan.map.cy.nodes('.here').data('label')").startswith("web")


def test_a_trace_that_is_stopped_says_by_what_and_what_helps(town):
    town.trace("web", "db", "5432")
    expect(town.page.locator("#verdict")).to_contain_text("✗ dropped in host")
    expect(town.page.locator("#advice")).to_contain_text("docker network connect")
    assert town.hops(2) == [["web", "bridge"], ["bridge", "shut, internal"]]
    assert town.page.evaluate("linkspan.map.cy.nodes('.stopped').length") == 1


def test_ways_out_and_through_the_proxy_end_where_the_packet_comes_out(town):
    town.trace("peer", "internet")
    assert town.hops(3)[1:] == [["bridge", "eth1 (3)"], ["eth1 (3)", "internet"]]
    town.trace("host", "127.0.0.1", "8080")
    expect(town.page.locator("#steps")).to_contain_text("linkspan-proxy")
    town.page.wait_for_function("() => linkspan.map.cy.nodes('.reached').data('label')?.startsWith('web')")
    assert [each[0] for each in town.hops(3)] == ["lo (1)", "8080 → 80/tcp", "bridge"]


def test_a_wrong_name_is_said_and_not_a_broken_page(town):
    town.trace("nobody", "db")
    expect(town.page.locator("#verdict")).to_contain_text('"nobody" is no container, service or address')
    assert [each for each in town.noise if "404" not in each] == []
    town.noise.clear()  # the browser tells of every answer of that kind


def test_a_node_tells_its_facts_rules_commands_and_traffic(town):
    details = town.page.locator("#details")
    town.click_on_map("8080 → 80/tcp")
    expect(details).to_contain_text("--dport 8080 -j DNAT --to-destination 172.17.0.2:80")
    expect(details).to_contain_text("packets")
    town.page.get_by_role("button", name="Container web").click()
    expect(details).to_contain_text("172.17.0.2/16")
    details.get_by_text("Commands that build this by hand").click()
    expect(details).to_contain_text("ip netns add")
    town.lab.docker("exec", "-d", "web", "ping", "-i", "0.1", "-s", "1400", "-w", "4", "172.17.0.3")
    town.page.wait_for_function(
        """() => linkspan.map.cy.edges('[kind = "wire"]').some((each) => /kB\\/s/.test(each.data("label")))"""
    )


def test_everything_can_be_done_with_the_keyboard(town):
    page = town.page
    page.locator("#find").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert focused(page).startswith("db")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert focused(page) == "Container peer"
    page.keyboard.press("Escape")
    assert focused(page).startswith("peer")
    page.keyboard.press("f")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("t")
    expect(page.locator("#verdict")).to_have_text("✓ taken by httpd in web")
    assert page.locator("#verdict").get_attribute("aria-live") == "assertive"
    page.keyboard.press("Escape")
    expect(page.locator("#way")).to_be_hidden()


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.innerText")
    return text


def test_it_is_readable_on_a_phone_and_in_the_dark(town):
    page = town.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    town.trace("lan", "host", "8080")
    expect(page.locator("#verdict")).to_contain_text("✓")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator("#map").bounding_box()
    assert box is not None and box["width"] == 360 and box["height"] > 300
    town.hops(4)
    assert page.evaluate("linkspan.map.cy.zoom()") > 0.6
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    dark = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
    assert page.evaluate("linkspan.map.cy.nodes().first().style('color')") == rgb(dark)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")


def rgb(colour: str) -> str:
    return "rgb({},{},{})".format(*(int(colour[each : each + 2], 16) for each in (1, 3, 5)))


def test_nobody_gets_in_without_the_token_or_by_another_name(town):
    def status(url: str, *flags: str) -> str:
        return town.lab.run("host", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *flags, url).text

    assert [status(f"{town.origin}{path}") for path in ("", "stream", "api/commands", "static/main.js")] == [
        "403"
    ] * 4
    assert status(town.url) == "303"
    assert status(town.url, "-H", "Host: rebound.example") == "403"


def test_a_restart_of_the_daemon_is_told_and_survived(town):
    state = town.page.locator("#state")
    town.lab.kill_daemon()
    expect(state).to_contain_text("does not answer")
    expect(town.page.get_by_role("button", name="web 172.17.0.2")).to_be_visible()
    town.lab.daemon()
    expect(state).to_contain_text("live: 3 of 3 containers running")
    town.lab.docker("run", "-d", "--name", "after", "busybox", "sleep", "1000")
    expect(town.page.get_by_role("button", name="after")).to_be_visible(timeout=1000)


def test_what_cannot_be_is_refused_in_a_sentence(town):
    port = town.origin.rpartition(":")[2].strip("/")
    command = ["env", f"LINKSPAN_HOST={town.lab.docker_host}", installed("linkspan"), "web"]
    for flags, complaint in (
        (("--port", port), f"port {port} of 127.0.0.1 is taken: choose another with --port"),
        (("--port", "70000"), "write a number from 0"),
        (("--address", "10.0.0.5"), "add --remote if that is meant"),
        (("--address", "10.0.0.5", "--remote", "--no-token"), "--no-token is for loopback addresses only"),
        (("--address", "home"), '"home" is no address'),
    ):
        said = town.lab.run("host", *command, *flags, check=False)
        assert said.code == 1 and complaint in said.err
    away = town.lab.run(
        "host", "env", "LINKSPAN_HOST=unix:///nowhere", installed("linkspan"), "web", check=False
    )
    assert away.code == 1 and "cannot connect to the Linkspan daemon" in away.err
