"""The page in a real browser, on a publisher with a small option chain."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest

from publisher.page.site import FILES, POLICY
from shared.streams import published
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.orders import State
from shared.wire.shards import ShardMap
from tests.support.browser import browser_page
from tests.support.eventually import eventually
from tests.support.publisher_rows import rows

pytestmark = pytest.mark.integration

KEY = "k" * 43
STRIKES = [23_900.0 + 50 * place for place in range(9)]
WITHIN_S = 30.0


def a_chain() -> np.ndarray:
    """Return an index and its options, calls with even tokens."""
    listed = np.zeros(1 + 2 * len(STRIKES), INSTRUMENT_DTYPE)
    listed["instrument_token"] = [256265, *range(1000, 1000 + 2 * len(STRIKES))]
    listed["exchange"] = [b"NSE", *[b"NFO"] * 2 * len(STRIKES)]
    listed["underlying"], listed["underlying_token"] = b"NIFTY", 256265
    listed["kind"] = [Kind.INDEX, *[Kind.CALL, Kind.PUT] * len(STRIKES)]
    listed["strike"][1:] = np.repeat(STRIKES, 2)
    listed["expiry"][1:] = 20261231
    names = [f"NIFTY26DEC{strike:.0f}{kind}" for strike in STRIKES for kind in ("CE", "PE")]
    listed["tradingsymbol"] = [b"NIFTY 50", *(name.encode() for name in names)]
    return listed


def some_ticks(shift: float = 0.0) -> np.ndarray:
    """Return a record of each, with volatilities like a smile."""
    tokens = [256265, *range(1000, 1000 + 2 * len(STRIKES))]
    records = rows(*((token, 24_100.0) for token in tokens), received_at_ns=2_000_000_000)
    strikes = np.repeat(STRIKES, 2)
    options = records[1:]
    options["implied_vol"] = 0.12 + ((strikes - 24_100) / 1000) ** 2 + shift
    options["delta"], options["gamma"], options["forward"] = 0.5, 0.001, 24_110.0
    options["bid_price"][:, 0], options["ask_price"][:, 0] = 101.05, 101.95
    options["oi"] = 65_000
    return records


def a_fitted_smile() -> dict:
    """Return a chain's curve through what the ticks have after they moved, and its figures."""
    svi = [0.00127, 0.324, 0.0, -0.0004, 0.005]
    return {
        "smile": {"kind": "svi", "parameters": svi, "points": len(STRIKES)},
        "figures": {
            "forward": 24_110.0, "time_to_expiry": 0.1, "atm_vol": 0.17, "straddle": 203.5,
            "skew_25_delta": 0.011, "max_pain": 24_100.0, "pcr_oi": 1.0,
        },
    }  # fmt: skip


@pytest.fixture
async def market(upstream):
    await upstream.publish(a_chain(), version=20261123, shards=1)
    await published.put_shard_map(
        upstream._ticks, ShardMap(version=1, shards=1, underlyings={"NIFTY": 0})
    )
    await upstream.last(some_ticks())
    return upstream


async def enter(page, address: str) -> None:
    await page.open(f"http://{address}/")
    await eventually(lambda: page.js("document.activeElement.id === 'key'"), within_s=WITHIN_S)
    await page.write(KEY)
    await page.press("Enter", "\r")
    await eventually(
        lambda: page.js("document.getElementById('status').dataset.state === 'live'"),
        within_s=WITHIN_S,
    )
    await eventually(
        lambda: page.js("document.querySelectorAll('#chain tbody td').length > 0"),
        within_s=WITHIN_S,
    )


async def be_refused(page, address: str) -> None:
    await page.open(f"http://{address}/")
    await eventually(lambda: page.js("document.activeElement.id === 'key'"), within_s=WITHIN_S)
    await page.write("x" * 43)
    await page.press("Enter", "\r")

    async def told():
        return "opens nothing" in await page.js("document.getElementById('door-error').textContent")

    await eventually(told, within_s=WITHIN_S)
    assert await page.js("sessionStorage.getItem('tickflow.key')") is None


async def texts(page, selector: str) -> list[str]:
    return await page.js(
        f"[...document.querySelectorAll({selector!r})].map((each) => each.textContent)"
    )


#: Whether every legend ends above what is said below its chart, and begins below the plot.
LEGENDS_FIT = """[...document.querySelectorAll(".u-legend")].every((legend) => {
    const box = legend.getBoundingClientRect(), figure = legend.closest("figure");
    const plot = figure.querySelector(".u-wrap").getBoundingClientRect();
    const note = figure.querySelector("figcaption").getBoundingClientRect();
    return plot.bottom <= box.top + 1 && box.bottom <= note.top + 1;
})"""


async def test_operator_sees_chain_charts_orders_and_health(start, market) -> None:
    async with start() as publisher, browser_page() as page:
        address = publisher.worker.doors[0].address
        await page.size(1400, 900)
        await enter(page, address)

        async def shown():
            found = await texts(page, "#chain tbody td")
            return "12.0%" in found and "101.05" in found and "65,000" in found

        await eventually(shown, within_s=WITHIN_S)
        strikes = await texts(page, "#chain tbody th")
        assert strikes == [f"{strike:,.0f}" for strike in STRIKES]
        await market.ticks(some_ticks(shift=0.05))

        async def moved():
            return "17.0%" in await texts(page, "#chain tbody td")

        await eventually(moved, within_s=WITHIN_S)
        await market.chain("snapshot", 0, expiry="2026-12-31", **a_fitted_smile())
        await eventually(lambda: page.js(_is_drawn_in("smile", "--accent")), within_s=WITHIN_S)
        assert "SVI through 9" in await page.js("document.getElementById('smile-note').textContent")
        figures = await page.js("document.getElementById('figures').textContent")
        assert "At the money 17.0%" in figures
        assert "max pain 24,100.00" in figures
        money = await texts(page, "#chain tr[data-money=yes] th")
        assert money == ["24,100"]
        await market.order(1, state=State.REJECTED, text="insufficient funds")

        async def told():
            return "insufficient funds" in await texts(page, "#orders td")

        await eventually(told, within_s=WITHIN_S)

        async def measured():
            return len(await texts(page, "#health tbody tr")) == 4

        await eventually(measured, within_s=WITHIN_S)
        for plot in ("smile", "oi", "rate"):
            assert await page.js(_has_drawn(plot)), plot
        for width in (1440, 1240, 1000, 700, 390):  # the legend has one line, or two, or three
            await page.size(width, 900)
            await eventually(lambda: page.js(LEGENDS_FIT), within_s=WITHIN_S)
        assert page.complaints == []
        assert {urlsplit(url).netloc for url in page.urls} <= {address, ""}


async def test_page_refuses_a_wrong_key_then_works_with_the_keyboard_narrow_and_dark(
    start, market
) -> None:
    async with start() as publisher, browser_page() as page:
        await page.size(390, 800)
        await page.prefer("dark")
        address = publisher.worker.doors[0].address
        await be_refused(page, address)
        page.complaints.clear()
        await enter(page, address)
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await page.js(ground)
        await page.prefer("light")
        assert await page.js(ground) != dark

        async def measured():
            return len(await texts(page, "#health tbody tr")) == 4

        await eventually(measured, within_s=WITHIN_S)
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await page.js(wide), "nothing sticks out of a narrow window"
        await page.js("document.querySelector('#chain tbody tr[tabindex=\"0\"]').focus()")
        await page.press("ArrowDown")
        await page.press("Enter")
        detail = await page.js("document.getElementById('detail').innerText")
        assert "23,950" in detail
        assert "Theta a day" in detail
        unnamed = await page.js(
            "[...document.querySelectorAll('button,select,input')].filter((each) => "
            "!each.labels?.length && !each.textContent.trim()).length"
        )
        assert unnamed == 0
        assert page.complaints == []


async def test_files_come_with_a_policy_that_loads_nothing_else(start, upstream) -> None:
    async with start() as publisher, aiohttp.ClientSession() as http:
        address = publisher.worker.doors[0].address
        for path in ("/", *(f"/page/{name}" for name in FILES)):
            async with http.get(f"http://{address}{path}") as response:
                assert response.status == 200
                assert response.headers["Content-Security-Policy"] == POLICY
                tag = response.headers["ETag"]
            async with http.get(f"http://{address}{path}", headers={"If-None-Match": tag}) as again:
                assert again.status == 304
        for path in (
            "/page/site.py",
            "/page/../worker.py",
            "/page/vendor/uPlot.toml",
            "/page/%2e%2e/x",
        ):
            async with http.get(f"http://{address}{path}") as response:
                assert response.status == 404


def _is_drawn_in(plot: str, shade: str) -> str:
    """Return JavaScript that tells whether a plot has a pixel of a colour of the style sheet."""
    return (
        f"(() => {{ const canvas = document.querySelector('#{plot} canvas');"
        " if (!canvas) return false;"
        f" const text = getComputedStyle(document.documentElement).getPropertyValue('{shade}').trim();"
        " const wanted = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));"
        " const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        " for (let at = 0; at < data.length; at += 4) {"
        "   if (data[at + 3] > 200 && wanted.every((shade, place) => data[at + place] === shade))"
        "     return true; }"
        " return false; })()"
    )


def _has_drawn(plot: str) -> str:
    """Return JavaScript that tells whether a plot's canvas has anything on it."""
    return (
        f"(() => {{ const canvas = document.querySelector('#{plot} canvas');"
        " if (!canvas) return false;"
        " const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        " return data.some((value) => value !== 0); })()"
    )
