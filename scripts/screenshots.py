#!/usr/bin/env python3
"""Takes the pictures of docs/web.md: a small shop in a throwaway host, seen by a real browser (root)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from linkspan.lab import Lab
from linkspan.lab.lab import installed

PICTURES = Path(__file__).parents[1] / "docs" / "web"
SERVE = "mkdir -p /www; head -c 200000 /dev/zero > /www/index.html; exec httpd -f -h /www -p 80"
ASK = "while true; do wget -qO /dev/null http://{}/ ; sleep 0.2; done"


def furnish(lab: Lab) -> None:
    """Start what is to be seen: a shop of two networks, one of them internal, with traffic between them."""
    lab.docker("network", "create", "front")
    lab.docker("network", "create", "--internal", "back")
    lab.docker(
        "run", "-d", "--name", "shop", "--network", "front", "-p", "8080:80", "busybox", "sh", "-c", SERVE
    )
    lab.docker("run", "-d", "--name", "db", "--network", "back", "busybox", "sh", "-c", SERVE)
    lab.docker("network", "connect", "back", "shop")
    lab.docker("run", "-d", "--name", "cache", "--network", "back", "busybox", "sleep", "1000")
    lab.docker("run", "-d", "--name", "tool", "-p", "127.0.0.1:9000:80", "busybox", "sh", "-c", SERVE)
    lab.docker("exec", "-d", "shop", "sh", "-c", ASK.format("db"))
    lab.docker(
        "run", "-d", "--name", "visitor", "--network", "front", "busybox", "sh", "-c", ASK.format("shop")
    )


def main() -> int:
    """Take all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with Lab() as lab, sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        lab.daemon()
        furnish(lab)
        host = lab.place("host")
        command = ["env", f"LINKSPAN_HOST={lab.docker_host}", installed("linkspan"), "web", "--port", "0"]
        with subprocess.Popen(host.command(command), stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            line = server.stdout.readline()
            url = re.findall(r"http://\S+", line)[0]
            starter = Path(scratch) / "chromium"
            starter.write_text(f'#!/bin/sh\nexec nsenter --net={host.namespace()} chromium "$@"\n')
            starter.chmod(0o755)
            browser = playwright.chromium.launch(executable_path=starter, args=["--no-sandbox"])
            take(browser, url)
            browser.close()
            lab.close()
    return 0


def take(browser: Browser, url: str) -> None:
    """Open the page three times, and take a picture of each."""
    page = opened(browser, url, 1280, 720, "light")
    page.get_by_role("button", name="8080 → 80/tcp").click()
    expect(page.locator("#details")).to_contain_text("DNAT")
    page.screenshot(path=PICTURES / "map.png")
    page = opened(browser, url, 1280, 720, "dark")
    trace(page, "tool", "db", "5432")
    page.screenshot(path=PICTURES / "trace.png")
    page = opened(browser, url, 360, 780, "light")
    trace(page, "lan", "host", "8080")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=PICTURES / "phone.png")


def opened(browser: Browser, url: str, width: int, height: int, scheme: str) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(url)
    page.wait_for_function("() => linkspan.map.cy.edges('.busy').length > 1")
    return page


def trace(page: Page, begin: str, aim: str, port: str) -> None:
    form = page.get_by_role("form", name="Trace a packet")
    form.get_by_label("From").fill(begin)
    form.get_by_label("To", exact=True).fill(aim)
    form.get_by_label("Port").fill(port)
    form.get_by_role("button", name="Trace", exact=True).click()
    expect(page.locator("#verdict")).to_contain_text(re.compile("[✓✗]"))
    page.wait_for_function("() => linkspan.map.cy.nodes('.reached, .stopped').length === 1")


if __name__ == "__main__":
    sys.exit(main())
