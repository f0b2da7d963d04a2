"""Figures of boxes: which rows a figure shows, and where the rectangles are."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from studies.declare.errors import StudyError
from studies.declare.figure_spec import FigureSpec
from studies.declare.study import load_study
from studies.draw import boxes
from studies.draw.boxes import _images, choose_rows, draw_boxes, plot
from studies.run.runner import run_study
from studies.tables.store import claim_folder, read_table, write_table

FIGURE = FigureSpec(name="some", plot="boxes", table="boxes", x="time_ms", y="image", where={"time_ms": [10, 20]})
COLUMNS = ["seed", "time_ms", "source", "image", "class", "score", "x0", "y0", "x1", "y1"]
IMAGES = np.random.default_rng(0).random((2, 1, 20, 40)).astype(np.float32)


def table(seeds=(0,)) -> pd.DataFrame:
    """Image 0 has a 7 from 20 ms on, and image 1 nothing; the ANN has a 7 and a 3 in image 0."""
    nothing, seven, three = ["", *[np.nan] * 5], ["7", 0.9, 0.25, 0.5, 0.5, 1.0], ["3", 0.4, 0.0, 0.0, 0.5, 0.5]
    rows = []
    for seed in seeds:
        rows += [[seed, 10.0, "snn", 0, *nothing], [seed, 10.0, "snn", 1, *nothing]]
        rows += [[seed, time, "snn", 0, *seven] for time in (20.0, 30.0)]
        rows += [[seed, time, "snn", 1, *nothing] for time in (20.0, 30.0)]
        rows += [[seed, np.nan, "ann", 0, *seven], [seed, np.nan, "ann", 0, *three], [seed, np.nan, "ann", 1, *nothing]]
    return pd.DataFrame(rows, columns=COLUMNS)


def rectangles(axes) -> list[tuple[float, ...]]:
    patches = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in patches]


def test_a_row_per_image_and_a_column_per_time_and_for_the_ann():
    canvas = plot(FIGURE, choose_rows(table(), FIGURE), IMAGES)
    panels = np.reshape(canvas.axes, (2, 3))
    assert [axes.get_title() for axes in panels[0]] == ["10 ms", "20 ms", "ANN"]
    assert [[len(rectangles(axes)) for axes in row] for row in panels] == [[0, 1, 2], [0, 0, 0]]
    assert rectangles(panels[0, 1]) == [pytest.approx((0.25 * 40 - 0.5, 0.5 * 20 - 0.5, 0.25 * 40, 0.5 * 20))]
    assert [text.get_text() for text in panels[0, 2].texts] == ["7 0.90", "3 0.40"]
    for number, row in enumerate(panels):
        for axes in row:
            np.testing.assert_allclose(axes.images[0].get_array()[..., 0], IMAGES[number, 0], atol=0.01)


def test_images_can_be_chosen():
    figure = FigureSpec(**vars(FIGURE) | {"where": {"time_ms": "end", "image": [1]}})
    rows = choose_rows(table(), figure)
    assert set(rows["image"]) == {1}
    assert list(rows["time_ms"].dropna()) == [30.0]


def test_boxes_of_several_conditions_are_refused_unless_each_has_its_column():
    with pytest.raises(StudyError, match="figure 'some' shows boxes of several conditions; name one seed in `where`"):
        choose_rows(table((0, 1)), FIGURE)
    one = choose_rows(table((0, 1)), FigureSpec(**vars(FIGURE) | {"where": {"time_ms": [20], "seed": 1}}))
    assert set(one["seed"]) == {1}
    by_seed = FigureSpec(**vars(FIGURE) | {"x": "seed", "where": {"time_ms": [20]}})
    rows = choose_rows(table((0, 1)), by_seed)
    assert len(rows[rows["source"] == "ann"]) == 3
    assert len(plot(by_seed, rows, IMAGES).axes) == 6


STUDY = """
title = "Boxes"
question = "Where?"
[fixed]
model = "digit_detector"
dataset = "digit_scenes"
images = 2
readout = "potential"
[[figures]]
name = "some"
plot = "boxes"
table = "boxes"
x = "time_ms"
y = "image"
where = { time_ms = [10, 20] }
"""


def test_a_study_draws_them_from_its_table(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(STUDY)
    loaded = load_study(tmp_path / "mine.toml")
    claim_folder(tmp_path / "out", loaded.content() | {"title": loaded.title})
    write_table(tmp_path / "out", "boxes", [table()])
    monkeypatch.setattr(boxes, "load_dataset", lambda name, data_dir, **_: pd.Series({"x": IMAGES}))
    seen = []
    monkeypatch.setattr(boxes, "plot", lambda f, rows, images, _: seen.append((rows, images)) or plot(f, rows, images))
    (path,) = draw_boxes(loaded, tmp_path / "out")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert set(seen[0][0]["class"].dropna()) == {"7", "3"}  # names, not numbers
    assert seen[0][1] is IMAGES
    assert matplotlib.get_backend().lower() == "agg"


def test_a_run_of_a_detector_writes_what_it_draws(tmp_path):
    quick = 'images = 1\nduration_ms = 20\nreadout_ms = 10\nneuron = "signed"\nencoder = "constant"\n[[figures]]'
    (tmp_path / "mine.toml").write_text(STUDY.replace("images = 2\n", "").replace("[[figures]]", quick, 1))
    loaded = load_study(tmp_path / "mine.toml")
    folder = run_study(loaded, tmp_path / "out")
    assert list(read_table(folder, "metrics")["time_ms"]) == [10, 20]
    assert set(read_table(folder, "boxes")["time_ms"].dropna()) == {10, 20}
    assert [path.name for path in draw_boxes(loaded, folder)] == ["some.png"]


def test_of_several_datasets_the_images_are_those_of_the_one_that_is_shown(tmp_path, monkeypatch):
    content = STUDY.replace('dataset = "digit_scenes"\n', "").replace(
        "[[figures]]", '[grid]\ndataset = ["digit_scenes", "photos"]\n[[figures]]'
    )
    monkeypatch.setattr(boxes, "load_dataset", lambda name, data_dir, **_: pd.Series({"x": name}))
    for name in ("digit_scenes", "photos"):
        (tmp_path / "mine.toml").write_text(content.replace("where = {", f'where = {{ dataset = "{name}",'))
        loaded = load_study(tmp_path / "mine.toml")
        assert _images(loaded, loaded.figures[0], None) == name


def test_images_that_a_study_says_are_standardised_are_drawn_as_pixels(tmp_path):
    pixels = np.random.default_rng(1).random((2, 1, 20, 20))
    np.savez(tmp_path / "mine.npz", x=(pixels - 0.25) / 0.125, y=np.full((2, 1, 6), -1.0))
    content = STUDY.replace('"digit_scenes"', '"mine.npz"\nmean = 0.25\nstd = 0.125')
    (tmp_path / "mine.toml").write_text(content)
    loaded = load_study(tmp_path / "mine.toml")
    np.testing.assert_allclose(_images(loaded, loaded.figures[0], None), pixels, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [("time_ms", "shows boxes of several conditions; name one dataset"), ("dataset", "shows digit_scenes, photos")],
)
def test_images_of_several_datasets_are_refused(tmp_path, x, message):
    content = STUDY.replace('dataset = "digit_scenes"\n', "").replace('x = "time_ms"', f'x = "{x}"')
    (tmp_path / "mine.toml").write_text(
        content.replace("[[figures]]", '[grid]\ndataset = ["digit_scenes", "photos"]\n[[figures]]')
    )
    with pytest.raises(StudyError, match=message):
        load_study(tmp_path / "mine.toml")
