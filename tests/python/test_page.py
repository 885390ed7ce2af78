"""The page of a report, in a headless Chromium: what it shows, under every filter, is what DuckDB reckons."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from browser import Browser, Page
from conftest import convert, nasalogs
from reckoning import Filter, Reckoning, embedded, with_cube

OFFSET: Final = -4 * 3600
CLASSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
SIZES: Final = [(1440, 900, False), (1440, 900, True), (360, 760, False), (360, 760, True)]
HOSTILE: Final = [
    "/<script>document.title='owned'</script>",
    "/</script><img src=x onerror=alert(1)>",
    "/javascript:alert(1)",
    "/a\u202egpj.exe",
    "/{{script}}${1+1}",
    "/<!--<script>",
    "/" + "8k/" * 2700,
    "/é/\u2066x",
]


class Report:
    """A log, its page, and its numbers by DuckDB."""

    def __init__(self, log: Path, folder: Path, offset: int = OFFSET) -> None:
        """Make all of them."""
        self.path = folder / f"{log.stem}.html"
        self.summary = convert(log, folder / f"{log.stem}.parquet", "--overwrite")
        zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}:00"
        nasalogs("report", log, "--html", self.path, "--overwrite", f"--tz={zone}", "--quiet")
        self.reckoning = Reckoning(folder / f"{log.stem}.parquet", offset)
        self.url = self.path.as_uri()


@pytest.fixture(scope="session")
def common(generated: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Traffic in the common format, with oddities."""
    return Report(generated("common", 30_000, oddities="2%"), tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def combined(generated: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Traffic with referrers and agents."""
    return Report(generated("combined", 20_000, oddities="1%"), tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What strangers send."""
    folder = tmp_path_factory.mktemp("hostile")
    log = folder / "<b>access.log"
    agent = "<script>document.title='owned'</script>"
    with log.open("w") as file:
        for at in range(400):
            name, host = HOSTILE[at % len(HOSTILE)], ("<i>h</i>", "javascript:alert(2)", "10.0.0.1")[at % 3]
            status = (200, 404, 500)[at // 8 % 3]
            file.write(
                f'{host} - - [01/Mar/2026:10:{at // 60:02}:{at % 60:02} +0000] "GET {name} HTTP/1.1" {status} {at} '
                f'"http://x/{name[:40]}" "{agent}"\n'
            )
    return Report(log, folder, 0)


def opened(page: Page, url: str) -> Page:
    """Open it, and wait until its cells are there."""
    page.open(url)
    page.wait("performance.getEntriesByName('nasalogs:ready').length > 0")
    return page


def answered(page: Page, act: Callable[[], None]) -> None:
    """Do what filters, and wait until the answer is on the screen."""
    count = "performance.getEntriesByName('nasalogs:answer').length"
    before = page.value(count)
    act()
    page.wait(f"{count} > {before}")


def number(text: str | None) -> Any:
    """The first number of a text: exact as titles have it."""
    found = re.search(r"\d[\d,]*", text or "")
    return int(found[0].replace(",", "")) if found else None


def visible(name: str) -> str:
    """A name as the page shows it."""
    unseen = "[\\x00-\\x1f\\x7f-\\x9f\\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    return re.sub(unseen, lambda found: f"\u2039U+{ord(found[0]):04X}\u203a", name)


def tiles(page: Page) -> dict[str, int]:
    """The exact numbers of the tiles."""
    found = page.value("""Object.fromEntries([...document.querySelectorAll(".tile")]
        .map((tile) => [tile.dataset.tile, tile.querySelector(".value").title]))""")
    return {name: number(title) for name, title in found.items()}


def rows(page: Page, panel: str) -> list[tuple[str, list[str]]]:
    """The rows of a panel's list: its name, and each number's title."""
    return [
        (name, titles)
        for name, titles in page.value(f"""[...document.querySelectorAll("#panel-{panel} .list tbody tr")]
            .map((row) => [row.querySelector(".name").textContent,
                [...row.querySelectorAll("td")].map((cell) => cell.title)])""")
    ]


def table(page: Page, panel: str) -> list[list[str]]:
    """The rows of a chart's table of data."""
    page.value(f"""document.querySelector("#panel-{panel} details").open = true""")
    page.wait(f"""document.querySelector("#panel-{panel} details table") !== null""")
    found: list[list[str]] = page.value(f"""[...document.querySelectorAll("#panel-{panel} details tbody tr")]
        .map((row) => [...row.children].map((cell) => cell.textContent))""")
    page.value(f"""document.querySelector("#panel-{panel} details").open = false""")
    return found


def check_list(page: Page, panel: str, expected: dict[str | None, list[int]], whole: int, *, top: int = 10) -> None:
    """Each row has the numbers of its name; the most asked for are first, and the rest is what is left."""
    names = {
        (visible(name) if name else "(none)" if name is None else "(empty)"): found for name, found in expected.items()
    }
    if panel in {"referers", "agents"}:
        names.pop("(none)", None)
    shown, rest = [], 0
    for name, titles in rows(page, panel):
        if name.startswith("all other") or (name == "(none)" and panel in {"referers", "agents"}):
            rest += number(titles[0])
            continue
        found = [number(title) for title in titles]
        wanted = names[name]
        assert found[: len(wanted)] == wanted, (panel, name)
        shown.append(found[0])
    assert shown == sorted(shown, reverse=True), panel
    assert sum(shown) + rest == whole, panel
    if not page.value("location.hash"):
        # Unfiltered, the first are the first of all.
        assert len(shown) >= min(top, len(names)), panel
        assert shown[:top] == sorted((found[0] for found in names.values()), reverse=True)[: len(shown[:top])], panel


def check(page: Page, report: Report, chosen: Filter | None = None, *, hosts: bool = True) -> None:
    """Every panel, under a filter, against DuckDB; different hosts only where the page can count them."""
    reckoning = report.reckoning
    totals = reckoning.totals(chosen)
    requests = totals["requests"]
    found = tiles(page)
    kinds = {
        "requests": "requests",
        "hosts": "unique_hosts",
        "bytes": "bytes",
        "4xx": "client_errors",
        "5xx": "server_errors",
    }
    for tile, total in kinds.items():
        assert found[tile] == totals[total] or (tile == "hosts" and not hosts), tile
    assert found["rejected"] == report.summary["rejected"]

    def named(column: str, *fields: str, more: str = "") -> dict[str | None, list[int]]:
        listed = reckoning.named(column, chosen=chosen, more=more, limit=1_000_000)
        return {row["name"]: [row[field] for field in fields] for row in listed}

    more = "count(distinct host) as hosts, count(*) filter (class >= 4) as errors"
    urls = named("path", "requests", "bytes", "hosts", "errors", more=more)
    urls.pop(None, None)
    if not hosts:
        urls = {name: found[:2] for name, found in urls.items()}
    check_list(page, "urls", urls, requests)
    check_list(page, "hosts", named("host", "requests", "bytes", "errors", more=more), requests)
    statuses = {str(row["status"]): row["requests"] for row in reckoning.statuses(chosen)}
    shown = {name: number(titles[0]) for name, titles in rows(page, "statuses")}
    assert shown == {("(none)" if name == "None" else name): n for name, n in statuses.items()}
    for panel, condition, whole in (
        ("not_found", "status = 404", statuses.get("404", 0)),
        ("failed", "class = 5", totals["server_errors"]),
    ):
        failing = {row["name"]: [row["requests"]] for row in reckoning.failing(condition, chosen, 1_000_000)["rows"]}
        if whole:
            check_list(page, panel, failing, whole)
        else:
            assert rows(page, panel) == []
    check_list(page, "methods", named("method", "requests"), requests)
    check_list(page, "protocols", named("protocol", "requests"), requests)
    types = {
        ("/" if name == "/" else f".{name}" if name else None): n
        for name, n in named("type", "requests", "bytes").items()
    }
    check_list(page, "types", types, requests)
    if reckoning.combined:
        check_list(page, "referers", named("referer", "requests", "bytes"), requests)
        check_list(page, "agents", named("user_agent", "requests", "bytes"), requests)

    fields = ["requests", "hosts"] if hosts else ["requests"]
    times = [[number(cell) for cell in row[1 : len(fields) + 1]] for row in table(page, "traffic") if row[1] != "0"]
    assert times == [[row[field] for field in fields] for row in reckoning.time(chosen)]
    if requests:
        classes = [
            [number(cell) for cell in row[1:7]] for row in table(page, "classes") if any(n != "0" for n in row[1:7])
        ]
        assert classes == [row["classes"] for row in reckoning.time(chosen)]
        assert [[number(cell) for cell in row[1:]] for row in table(page, "hours")] == reckoning.hours(chosen)
        assert [number(row[1]) for row in table(page, "sizes")] == [row["requests"] for row in reckoning.sizes(chosen)]


def well(page: Page) -> None:
    """Nothing on the console, nothing from a network, nothing too wide."""
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith(("file:", "data:"))] == []
    assert page.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_the_page_and_its_filters_have_the_numbers_of_duckdb(
    browser: Browser, common: Report, width: int, height: int, *, dark: bool
) -> None:
    page = opened(browser.page(width, height, dark=dark), common.url)
    check(page, common)
    well(page)
    unfiltered = tiles(page)

    answered(page, lambda: page.click('[data-key="class:4xx"]'))
    check(page, common, {"class": 4})
    assert page.value("location.hash") == "#class=4xx"
    answered(page, lambda: page.click('[data-key="class:4xx"]'))
    assert tiles(page) == unfiltered

    # Dragged over a third of the chart: whole buckets.
    page.value("document.querySelector('.timeline').scrollIntoView({ block: 'center' })")
    x, y, w = page.value(
        "(({ x, y, width }) => [x, y + 60, width])(document.querySelector('.timeline').getBoundingClientRect())"
    )
    answered(page, lambda: page.drag((x + 0.4 * w, y), (x + 0.75 * w, y)))
    chosen = range_of(page)
    step = common.reckoning.step
    assert chosen["from"] % step == chosen["to"] % step == 0
    first, last = common.reckoning.first, common.reckoning.last
    assert first < chosen["from"] < chosen["to"] < last
    check(page, common, chosen)
    well(page)

    # A URL, a host, within that: each narrows what is left.
    for panel, field in (("urls", "url"), ("hosts", "host")):
        name = page.value(f"document.querySelector('#panel-{panel} button.name').textContent")
        answered(page, lambda panel=panel: page.click(f"#panel-{panel} button.name"))  # type: ignore[misc]
        chosen[field] = name
        check(page, common, chosen)
    assert page.value("document.querySelectorAll('.chip').length") == 3
    answered(page, lambda: page.click('[data-key="chip:url"]'))
    del chosen["url"]
    check(page, common, chosen)
    well(page)

    # The way back is the browser's own.
    page.value("history.back()")
    page.wait("new URLSearchParams(location.hash.slice(1)).has('url')")
    page.wait("document.querySelectorAll('.chip').length === 3")
    answered(page, lambda: page.click('[data-key="clear"]'))
    assert (tiles(page), page.value("location.hash")) == (unfiltered, "")
    page.close()


def range_of(page: Page) -> Filter:
    """The range of time in the page's address."""
    found: Filter = page.value("""Object.fromEntries([...new URLSearchParams(location.hash.slice(1))]
        .map(([name, value]) => [name, Date.parse(value) / 1000]))""")
    return found


def test_other_fields_filter_too(browser: Browser, combined: Report) -> None:
    page = opened(browser.page(), combined.url)
    check(page, combined)
    for panel, field in (("statuses", "status"), ("methods", "method"), ("types", "type"), ("agents", "user_agent")):
        selector = f"#panel-{panel} button.name"
        text = page.value(f"document.querySelector('{selector}').textContent")
        value = int(text) if field == "status" else text.removeprefix(".")
        answered(page, lambda selector=selector: page.click(selector))  # type: ignore[misc]
        check(page, combined, {field: value}, hosts=field == "status")
        answered(page, lambda: page.click(".chip"))
    well(page)
    page.close()


def test_an_address_is_a_filter(browser: Browser, common: Report) -> None:
    at = common.reckoning.first // 600 * 600 + 1200
    chosen = {"from": at, "to": at + 3600, "class": 2}
    stamp = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (at, at + 3600)]
    page = opened(browser.page(), f"{common.url}#from={stamp[0]}&to={stamp[1]}&class=2xx")
    check(page, common, chosen)
    assert page.value("document.querySelectorAll('.chip').length") == 2
    # What the page cannot tell apart is said, and matches nothing; what is no filter is none.
    page.value("location.hash = '#url=/no-such&class=9xx&from=never'")
    page.wait("document.querySelector('.chip.lost') !== null")
    assert tiles(page)["requests"] == 0
    well(page)
    page.close()


def test_the_keyboard_alone_filters(browser: Browser, common: Report) -> None:
    page = opened(browser.page(), common.url)

    def tab_to(selector: str) -> None:
        for _ in range(200):
            page.key("Tab")
            if page.value(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        pytest.fail(f"no Tab leads to {selector}")

    tab_to(".timeline")
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.key("End")
    for _ in range(3):
        page.key("ArrowLeft", shift=True)
    assert "requests" in page.value("document.querySelector('[role=status]').textContent")
    answered(page, lambda: page.key("Enter"))
    chosen = range_of(page)
    assert chosen["to"] - chosen["from"] == 4 * common.reckoning.step
    check(page, common, chosen)
    answered(page, lambda: page.key("Escape"))
    assert page.value("location.hash") == ""
    tab_to('[data-key="class:3xx"]')
    answered(page, lambda: page.key("Enter"))
    check(page, common, {"class": 3})
    # What was pressed is still where the keyboard is.
    assert page.value("document.activeElement.dataset.key") == "class:3xx"
    assert page.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.close()


def test_fields_choose_a_range_on_the_wall_clock(browser: Browser, common: Report) -> None:
    page = opened(browser.page(), common.url)
    at = common.reckoning.first // 3600 * 3600 + 3600
    wall = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at + OFFSET))
    page.value("window.field = document.querySelector('[data-key=\"field:from\"]')")
    answered(page, lambda: page.value(f"field.value = '{wall}', field.dispatchEvent(new Event('change')), 0"))
    check(page, common, {"from": at})
    page.close()


def test_the_window_lies_over_what_is_chosen(browser: Browser, common: Report) -> None:
    """From end to end where nothing is; sizes are those of boxes with their borders."""
    page = opened(browser.page(width=1280), common.url)
    share = """(() => {
        const box = (selector) => document.querySelector(selector).getBoundingClientRect();
        const [a, b] = [box(".strip .window"), box(".strip")];
        return [a.left - b.left, b.right - a.right, a.width / b.width]; })()"""
    left, right, whole = page.value(share)
    assert 0 < left < 80
    assert 0 <= right < 40
    answered(page, lambda: page.click("[data-key=closer]"))
    assert page.value(share)[2] == pytest.approx(whole / 2, abs=0.06)
    assert page.value("getComputedStyle(document.querySelector('.strip')).boxSizing") == "border-box"
    page.close()


def test_heads_sort_and_lists_grow(browser: Browser, common: Report) -> None:
    page = opened(browser.page(), common.url)
    page.click('[data-key="sort:urls:bytes"]')
    sent = [number(titles[1]) for name, titles in rows(page, "urls") if not name.startswith("all other")]
    assert sent == sorted(sent, reverse=True)
    assert page.value("document.querySelector('#panel-urls [aria-sort=descending]').textContent") == "Bytes"
    page.click('[data-key="sort:urls:bytes"]')
    assert page.value("document.querySelector('#panel-urls [aria-sort=ascending]').textContent") == "Bytes"
    page.click('[data-key="sort:urls:requests"]')
    page.click('[data-key="more:urls"]')
    assert len(rows(page, "urls")) > 90
    check(page, common)
    page.close()


def test_estimates_say_how_good_they_are(browser: Browser, common: Report, tmp_path: Path) -> None:
    """A cube of few names and a small sample, made here: its estimates are as good as they say."""
    reckoning = common.reckoning
    report = embedded(common.path, "report")
    meta, data = reckoning.cube(report, urls=12, hosts=5, rate=8)
    path = tmp_path / "sampled.html"
    path.write_text(with_cube(common.path.read_text(), meta, data))
    page = opened(browser.page(), path.as_uri())
    for kind in (2, 3, 4):
        answered(page, lambda kind=kind: page.click(f'[data-key="class:{CLASSES[kind]}"]'))  # type: ignore[misc]
        totals = reckoning.totals({"class": kind})
        assert tiles(page)["requests"] == totals["requests"]
        title = page.value("document.querySelector('[data-tile=hosts] .value').title")
        estimate, error = (number(part) for part in title.split("±"))
        assert abs(estimate - totals["unique_hosts"]) < 5 * error, title
        answered(page, lambda: page.click(".chip"))
    # Of one named host it is known how many there are.
    answered(page, lambda: page.click("#panel-hosts button.name"))
    assert tiles(page)["hosts"] == 1
    page.close()


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_hostile_names_are_text(browser: Browser, hostile: Report, width: int, height: int, *, dark: bool) -> None:
    page = opened(browser.page(width, height, dark=dark), hostile.url)
    for name in HOSTILE:
        assert visible(name) in [shown for shown, _ in rows(page, "urls")]
    check(page, hostile)
    for at in range(len(HOSTILE)):
        selector = f"#panel-urls tbody tr:nth-child({at + 1}) button.name"
        shown = page.value(f"document.querySelector('{selector}').textContent")
        name = next(name for name in HOSTILE if visible(name) == shown)
        answered(page, lambda selector=selector: page.click(selector))  # type: ignore[misc]
        check(page, hostile, {"url": name})
        well(page)
        answered(page, lambda: page.click('[data-key="chip:url"]'))
    assert page.value("document.title").startswith("<b>access")
    assert page.value("document.querySelectorAll('b:not([class]) script, img, #app script, iframe, a').length") == 0
    assert "\u202e" not in page.value("document.getElementById('app').textContent")
    well(page)
    page.close()


def test_without_scripts_there_are_plain_tables(browser: Browser, common: Report, hostile: Report) -> None:
    for report in (common, hostile):
        page = browser.page(360, 760, scripts=False)
        page.call("Page.navigate", url=report.url)
        deadline = time.monotonic() + 30
        while not page.events("Page.loadEventFired"):
            assert time.monotonic() < deadline, "the page is not loaded"
        root = page.call("DOM.getDocument", depth=-1)["root"]["nodeId"]
        plain = page.call("DOM.querySelector", nodeId=root, selector="#plain")["nodeId"]
        text = page.call("DOM.getOuterHTML", nodeId=plain)["outerHTML"]
        assert f"{report.reckoning.totals()['requests']:,}" in text
        for row in report.reckoning.urls():
            escaped = visible(row["name"]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert escaped in text
            assert f"<td>{row['requests']:,}</td>" in text
        for heading in ("Top URLs", "Top hosts", "Status codes", "Traffic over time", "Requests by hour of the day"):
            assert heading in text
        boxes = page.call("DOM.getBoxModel", nodeId=plain)["model"]
        assert boxes["width"] <= 360
        assert boxes["height"] > 1000
        page.close()


def test_print(browser: Browser, common: Report) -> None:
    page = opened(browser.page(dark=True), common.url)
    page.media(dark=True, kind="print")
    hidden = page.value("""[...document.querySelectorAll(".range, .strip, .theme, button.more, details")]
        .filter((node) => getComputedStyle(node).display !== "none").length""")
    assert hidden == 0
    assert page.value("getComputedStyle(document.querySelector('h1')).color") == "rgb(26, 33, 43)"
    page.media()
    assert page.pdf().startswith(b"%PDF-")
    well(page)
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_written_can_be_read(browser: Browser, combined: Report, *, dark: bool) -> None:
    page = opened(browser.page(dark=dark), f"{combined.url}#class=4xx")
    assert page.value(Path(__file__).with_name("contrast.js").read_text()) == []
    # Every chart says in words what it shows, and every control has a name.
    assert page.value("document.querySelectorAll('svg').length") > 4
    assert page.value("[...document.querySelectorAll('svg')].filter((s) => !s.getAttribute('aria-label')).length") == 0
    assert page.value("""[...document.querySelectorAll("button")]
        .filter((node) => !(node.getAttribute("aria-label") || node.textContent).trim()).length""") == 0  # fmt: skip
    page.close()


def test_colours_are_remembered(browser: Browser, common: Report) -> None:
    page = opened(browser.page(), common.url)
    page.click(".theme")
    page.click(".theme")
    assert page.value("document.documentElement.dataset.theme") == "dark"
    dark = page.value("getComputedStyle(document.body).backgroundColor")
    for _ in range(20):
        opened(page, common.url)
        if page.value("getComputedStyle(document.body).backgroundColor") == dark:
            break
        # The browser puts down what it remembers in its own time.
        time.sleep(0.2)
    else:
        pytest.fail("the colours are forgotten")
    page.close()


@pytest.mark.parametrize("lines", [0, 1, 30])
def test_small_logs(browser: Browser, tmp_path: Path, generated: Callable[..., Path], lines: int) -> None:
    log = tmp_path / "small.log"
    log.write_bytes(b"".join(generated("common", 20_000).read_bytes().splitlines(keepends=True)[:lines]))
    log.write_bytes(log.read_bytes() + b"nonsense\n" * (lines > 1))
    if not lines:
        path = tmp_path / "empty.html"
        nasalogs("report", log, "--html", path, "--quiet", "--format", "common")
        page = opened(browser.page(), path.as_uri())
        assert tiles(page)["requests"] == 0
    else:
        report = Report(log, tmp_path)
        page = opened(browser.page(360, 760), report.url)
        check(page, report)
    well(page)
    page.close()


def test_open_and_click_times(browser: Browser, generated: Callable[..., Path], tmp_path: Path) -> None:
    """Printed, not asserted: how long until a page is seen, and until a click is answered on the screen."""
    log = generated("common", 200_000)
    path = tmp_path / "times.html"
    nasalogs("report", log, "--html", path, "--quiet")
    page = opened(browser.page(), path.as_uri())
    for key in ("class:4xx", "chip:class", "closer", "later", "entire"):
        answered(page, lambda key=key: page.click(f'[data-key="{key}"]'))  # type: ignore[misc]
    for panel in ("urls", "hosts", "statuses"):
        answered(page, lambda panel=panel: page.click(f"#panel-{panel} button.name"))  # type: ignore[misc]
        answered(page, lambda: page.click(".chip"))
    cells = embedded(path, "meta")["cells"]
    measured = page.value("performance.getEntriesByType('measure').map((m) => [m.name, m.duration])")
    for name in ("open", "ready"):
        print(f"{name}: {next(ms for n, ms in measured if n == f'nasalogs:{name}'):.0f} ms")
    answers = sorted(ms for name, ms in measured if name == "nasalogs:answer")
    print(
        f"answers over {cells:,} cells: {answers[0]:.0f} to {answers[-1]:.0f} ms, "
        f"median {answers[len(answers) // 2]:.0f} ms"
    )
    assert len(answers) == 11
    well(page)
    page.close()
