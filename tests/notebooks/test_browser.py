"""Lab and lessons in a real browser: what a page shows is what the functions say, and nothing comes from elsewhere."""

from __future__ import annotations

import base64
import io
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import urlopen

import pandas as pd
import pytest
from PIL import Image

from models.paths import ROOT, WEIGHTS
from studies import lab
from studies.__main__ import main
from tests.notebooks.pages import LESSONS, MISSING

pytestmark = pytest.mark.slow  # a server and a browser, for a minute; .ci/run runs them
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 120  # for what takes a second on a machine with nothing else to do
CHOICES = {
    "model": "mnist_convnet", "dataset": "digits", "calibration": 200, "normalization": "data", "neuron": "if",
    "synapse": "delta", "v_th": 1.0, "noise": 0.0, "delay_ms": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def server():
    """The address and the token of all notebooks, served as `make lab` serves one."""
    pytest.importorskip("marimo", reason=MISSING)
    pytest.importorskip("wigglystuff", reason=MISSING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    command = [sys.executable, "notebooks/serve.py", "notebooks", "--headless", "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*command, "--token-password", token], cwd=ROOT, env=environment) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}/", token
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed; pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium; apt-get install chromium brings it")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened(browser, server, name):
    """A notebook's page, of the size of a projector; it asks nobody else for anything, and nothing in it fails."""
    address, token = server
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(1000 * SECONDS)
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{address}?file={name}&access_token={token}")
    try:
        yield page
        assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
        assert failed == []
        assert "Traceback" not in page.inner_text("body")
    finally:
        page.close()


@pytest.fixture
def laboratory(browser, server):
    with opened(browser, server, "lab.py") as page:
        shows(page, expected())
        yield page


def wait_for(address):
    for _ in range(10 * SECONDS):
        try:
            urlopen(address)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nobody answers at {address}")


def expected(image=0, **changes):
    """What the lab should say, from its functions."""
    return lab.verdict(lab.answer(lab.settings_of(CHOICES | changes), image))


def shows(page, text):
    page.get_by_text(text, exact=True).first.wait_for()


def sidebar(page):
    """Where the controls of the lab are; on a narrow page they would be elsewhere, and are there too, unseen."""
    return page.get_by_role("complementary")


def press(page, label, key, inside=None):
    """Move a slider by a key; it is the one in the element that begins with its label."""
    slider = (inside or page).locator("marimo-slider").filter(has_text=re.compile(rf"^{re.escape(label)}"))
    slider.get_by_role("slider").focus()
    page.keyboard.press(key)


def draw_a_seven(page):
    """With the mouse, on the canvas; then what is on the canvas, as an image."""
    canvas = sidebar(page).locator("canvas").first
    box = canvas.bounding_box()
    points = [(0.3, 0.2), (0.68, 0.2), (0.5, 0.55), (0.42, 0.85)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    return canvas.evaluate("canvas => canvas.toDataURL('image/png')").partition(",")[2]


def test_nobody_enters_without_the_token(browser, server):
    page = browser.new_page()
    page.goto(f"{server[0]}?file=lab.py")
    page.get_by_text("Access Token").first.wait_for()
    assert page.locator("marimo-slider").count() == 0
    page.close()


def test_the_lab_answers_sliders_choices_and_a_drawing(laboratory):
    """A slider, another image, another network, one in a file, and a digit drawn with the mouse."""
    press(laboratory, "threshold", "ArrowRight", sidebar(laboratory))
    shows(laboratory, expected(v_th=1.1))
    press(laboratory, "number", "ArrowRight", sidebar(laboratory))
    shows(laboratory, expected(1, v_th=1.1))
    sidebar(laboratory).get_by_label("network", exact=True).select_option("mnist_mlp")
    shows(laboratory, expected(1, v_th=1.1, model="mnist_mlp"))
    own = str(WEIGHTS / "mnist_convnet.onnx")
    sidebar(laboratory).get_by_text("Files of one's own").click()
    sidebar(laboratory).get_by_label("a network of my own").fill(own)
    laboratory.keyboard.press("Enter")
    shows(laboratory, expected(1, v_th=1.1, model=own))
    sidebar(laboratory).get_by_label("image", exact=True).select_option("drawn")
    laboratory.get_by_text("nothing is drawn yet").wait_for()
    drawn = lab.digit_of(Image.open(io.BytesIO(base64.b64decode(draw_a_seven(laboratory)))))
    shows(laboratory, expected(drawn, v_th=1.1, model=own))


def test_two_settings_stand_side_by_side_and_a_refused_one_is_a_line(laboratory):
    sidebar(laboratory).get_by_role("button", name="Keep as B").click()
    laboratory.get_by_text(f"B. {expected()}").wait_for()
    press(laboratory, "threshold", "ArrowRight", sidebar(laboratory))
    laboratory.get_by_text(f"A. {expected(v_th=1.1)}").wait_for()
    for view in ("Potentials", "Rates"):
        laboratory.get_by_role("tab", name=view).click()
        for name in "AB":
            laboratory.get_by_alt_text(f"{name}: {view.lower()}").wait_for()
    sidebar(laboratory).get_by_role("button", name="Let B go").click()
    laboratory.get_by_alt_text("B: rates").wait_for(state="detached")
    sidebar(laboratory).get_by_label("neuron", exact=True).select_option("lif_mv")
    sidebar(laboratory).get_by_label("matching", exact=True).select_option("fi")
    settings = lab.settings_of({**CHOICES, "neuron": "lif_mv", "matching": "fi"})
    shows(laboratory, lab.tried(lab.answer, settings, 0)[1])


def test_a_study_is_copied_and_says_the_same_as_the_lab(laboratory, tmp_path):
    """The numbers of 100 images on the page are those that the command writes."""
    sidebar(laboratory).get_by_role("button", name="Keep as B").click()
    laboratory.get_by_text(f"B. {expected()}").wait_for()
    press(laboratory, "threshold", "ArrowRight", sidebar(laboratory))
    laboratory.get_by_text(f"A. {expected(v_th=1.1)}").wait_for()
    laboratory.get_by_role("tab", name="100 images").click()
    laboratory.get_by_role("button", name="Show the 100 images").click()
    laboratory.locator("table.summary").wait_for()
    shown = [row.locator("td").all_inner_texts() for row in laboratory.locator("table.summary tbody tr").all()]
    laboratory.get_by_role("tab", name="As a study").click()
    laboratory.get_by_label("my_study.toml").wait_for()
    (tmp_path / "my_study.toml").write_text(laboratory.get_by_label("my_study.toml").input_value(), encoding="utf-8")
    assert main(["run", str(tmp_path / "my_study.toml"), "--jobs", "1"]) == 0
    written = pd.read_csv(tmp_path / "results" / "my_study" / "metrics.csv")
    ends = {name: rows.iloc[[-1]] for name, rows in written.groupby("variant")}
    assert shown == lab.readable(lab.summary(ends)).to_numpy().tolist()
    assert (tmp_path / "results" / "my_study" / "accuracy.png").exists()


def test_a_lesson_follows_its_slider(browser, server):
    """The lesson's neuron, at one step of the slider more, sends what the formula says."""
    with opened(browser, server, LESSONS[0].name) as page:
        page.get_by_text("60.0 spikes per second").wait_for()
        press(page, "current", "ArrowRight")
        page.get_by_text("65.0 spikes per second").wait_for()
        page.get_by_role("button", name="Solution 1").click()
        page.get_by_text("per second.").last.wait_for()
