"""Pictures of the main pages: `python -m benchmarks.pictures FOLDER` runs the demo and photographs it.

Needs Debian's chromium and the development packages. Each page is taken as a laptop and as a phone shows it; the ones
that carry charts in the dark and in English too. What the README shows is renewed in `gateway/docs`. Everything in the
pictures is invented.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from gateway.context import wall_clock
from gateway.running import free_port

README = Path(__file__).parents[1] / "gateway" / "docs"
SHOWN = {"width": 1200, "height": 720}
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
ROLES = ("builder", "approver", "school", "swv", "gemeente", "controller", "officer")
PAGES = {
    "public": {
        "start": "/",
        "national": "/national",
        "not-specified": "/reading",
        "parents": "/parents",
        "law": "/law",
    },
    "school": {
        "school": "/school",
        "school-figures": "/school/figures",
        "school-deliver": "/school/periods/FORM",
        "school-consent": "/school/consents/new",
    },
    "swv": {"swv-releases": "/releases", "swv-table": "/releases/RELEASE", "swv-files": "/releases/RELEASE/files"},
    "builder": {"operator": "/operator", "operator-release": "/operator/releases/RELEASE"},
    "controller": {"audit": "/audit", "audit-check": "/audit/check", "what-if": "/audit/ask?who=swv&case=named"},
}
DARK = ("start", "swv-table", "audit")


@contextmanager
def demo(sites: int) -> Iterator[tuple[str, dict[str, str]]]:
    """The real demo, as a user would start it: its address, and a login link for each role."""
    with tempfile.TemporaryDirectory(prefix="verzuimpoort-pictures-") as folder:
        port = free_port()
        options = ["--data", f"{folder}/data", "--port", str(port), "--sites", str(sites)]
        command = [sys.executable, "-m", "gateway.cli", "demo", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own program
        try:
            found: list[str] = []
            for line in process.stdout or ():
                found += re.findall(r"http\S+/login/\S+", line)
                if len(found) == len(ROLES):
                    break
            if len(found) < len(ROLES):
                raise SystemExit("the demo did not come up: see its messages above")
            yield f"http://127.0.0.1:{port}", dict(zip(ROLES, found, strict=True))
        finally:
            process.terminate()
            process.wait(timeout=30)


def photograph(browser: Browser, url: str, links: Mapping[str, str], folder: Path) -> Iterator[Path]:
    """Take every picture; yields the files."""
    cookies = {role: enter(browser, url, link) for role, link in links.items()}
    form = open_period(browser, url, cookies["builder"])
    release = find_release(browser, url, cookies["swv"])
    for role, pages in PAGES.items():
        for name, address in pages.items():
            path = address.replace("FORM", form).replace("RELEASE", release)
            known = cookies.get(role, [])
            yield take(browser, url + path, folder / f"{name}.png", known)
            yield take(browser, url + path, folder / f"{name}-phone.png", known, viewport=PHONE)
            if name in DARK:
                english = [*known, {"name": "language", "value": "en", "url": url}]
                yield take(browser, url + path, folder / f"{name}-dark-en.png", english, color_scheme="dark")
    yield school_with_faults(browser, f"{url}/school/periods/{form}", cookies["school"], folder)
    yield entry_with_proof(browser, url, cookies["controller"], folder)
    hidden = f"{url}/releases/{release}?kind=illness#whole"
    yield take(browser, hidden, README / "recipient.png", cookies["swv"], viewport=SHOWN)


def enter(browser: Browser, url: str, link: str) -> list[dict[str, object]]:
    """Use a login link; returns the session's cookies."""
    with window(browser, []) as page:
        page.goto(link)
        page.locator("main button").click()
        page.wait_for_url(lambda address: "/login/" not in address)
        return [dict(cookie) for cookie in page.context.cookies(url)]


@contextmanager
def window(browser: Browser, cookies: list[dict[str, object]], **options: object) -> Iterator[Page]:
    """A browser window of its own."""
    context = browser.new_context(**({"viewport": LAPTOP, "locale": "nl-NL"} | options))
    context.add_cookies(cookies)
    yield context.new_page()
    context.close()


def take(browser: Browser, address: str, file: Path, cookies: list[dict[str, object]], **options: object) -> Path:
    """A picture of a whole page, or of its top for the README."""
    with window(browser, cookies, **options) as page:
        page.goto(address)
        page.screenshot(path=file, full_page=file.parent != README)
    return file


def open_period(browser: Browser, url: str, cookies: list[dict[str, object]]) -> str:
    """Open the period the page proposes, so that there is something to deliver; returns the end of its address."""
    with window(browser, cookies) as page:
        page.goto(f"{url}/operator")
        page.locator("#deadline").fill(str(wall_clock().date() + timedelta(days=12)))
        page.locator("main form button").click()
        page.wait_for_url("**/operator/periods/**")
        return page.url.partition("/operator/periods/")[2]


def find_release(browser: Browser, url: str, cookies: list[dict[str, object]]) -> str:
    """The newest release of the SWV."""
    with window(browser, cookies) as page:
        page.goto(f"{url}/releases")
        address = page.locator("main .task a.button").first.get_attribute("href") or ""
        return address.rpartition("/")[2]


def school_with_faults(browser: Browser, address: str, cookies: list[dict[str, object]], folder: Path) -> Path:
    """The form with two faults in it."""
    counts = {"upto5": "118", "5to10": "21", "10to20": "9", "above20": "2"}
    nobody = {"upto5": "150", "5to10": "0", "10to20": "0", "above20": "0"}
    with window(browser, cookies) as page:
        page.goto(address)
        fields = page.locator("form.counts input[data-kind]").all()
        for field in fields:
            _, _, kind, band = (field.get_attribute("name") or "").split(".")
            field.fill((nobody if kind == "unauthorised" else counts)[band])
        fields[1].fill("12o")
        fields[-1].fill("7")
        page.locator("form.counts button[value=check]").click()
        page.screenshot(path=folder / "school-faults.png", full_page=True)
    return folder / "school-faults.png"


def entry_with_proof(browser: Browser, url: str, cookies: list[dict[str, object]], folder: Path) -> Path:
    """The publication in the log, with its proof, checked."""
    with window(browser, cookies) as page:
        page.goto(f"{url}/audit?event=release.published")
        page.locator("tbody a").first.click()
        page.locator("aside form button").click()
        page.screenshot(path=folder / "audit-entry.png", full_page=True)
    return folder / "audit-entry.png"


def main() -> None:
    """Run the demo, take the pictures, name the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=60)
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: apt install chromium")
    for folder in (given.folder, README):
        folder.mkdir(parents=True, exist_ok=True)
    with demo(given.sites) as (url, links), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for file in photograph(browser, url, links, given.folder):
            print(file)
        browser.close()


if __name__ == "__main__":
    main()
