"""Figures: what is drawn is what the table says, in one style, and with the same bytes whenever it is drawn."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color, to_rgba

from studies.declare.figure_spec import FigureSpec
from studies.declare.study import load_study
from studies.draw.declared import draw_figures, plot
from studies.draw.style import MEDIA, styles
from studies.tables.labels import CAVEAT
from studies.tables.selection import select
from studies.tables.store import ResultsError, claim_folder, read_table, write_table
from tests.studies.random_table import SCHEMES, TIMES, V_TH, figure, table, values

NAMES = ["none", "data-based", "channel-wise"]  # of SCHEMES, in papers
T95_OF_THREE = 4.30265273  # Student's t, two degrees of freedom


def mean_and_interval(sample: np.ndarray) -> tuple[float, float, float]:
    """Of shares, whose interval ends where they do; the first halves of random values reach beyond."""
    half = T95_OF_THREE * sample.std(ddof=1) / np.sqrt(3)
    return sample.mean(), max(0.0, sample.mean() - half), min(1.0, sample.mean() + half)


def colour(level: str):
    return styles("normalization", [level])[level].colour


def one_threshold() -> pd.DataFrame:
    return select(table(), figure(where={"v_th": 0.5}))


def drawn_lines(axes) -> list:
    """The lines that are data: neither the ceiling nor the handles of a legend."""
    return [line for line in axes.lines if len(line.get_xdata()) == len(TIMES)]


# What is drawn


def test_lines_are_the_means_over_the_seeds_and_bands_their_intervals() -> None:
    rows = one_threshold()
    axes = plot(figure(), rows).axes[0]
    lines = drawn_lines(axes)
    assert len(lines) == len(axes.collections) == len(SCHEMES)
    for scheme in SCHEMES:
        (line,) = (line for line in lines if same_color(line.get_color(), colour(scheme)))
        (band,) = (c for c in axes.collections if same_color(c.get_facecolor()[0][:3], colour(scheme)))
        np.testing.assert_allclose(line.get_xdata(), TIMES)
        vertices = band.get_paths()[0].vertices
        for time_ms, drawn in zip(TIMES, line.get_ydata(), strict=True):
            mean, low, high = mean_and_interval(values(rows, normalization=scheme, time_ms=time_ms))
            edges = vertices[np.isclose(vertices[:, 0], time_ms), 1]
            assert drawn == pytest.approx(mean)
            assert (edges.min(), edges.max()) == pytest.approx((low, high))


def test_over_a_measured_quantity_a_line_joins_the_means_of_each_time() -> None:
    rows = one_threshold()
    (axes,) = plot(figure(x="energy_nj"), rows).axes
    for line, scheme in zip(drawn_lines(axes), SCHEMES, strict=True):
        of_scheme = rows[rows["normalization"] == scheme]
        means = [
            [of_scheme.loc[of_scheme["time_ms"] == t, name].mean() for t in TIMES] for name in ("energy_nj", "accuracy")
        ]
        order = np.argsort(means[0])
        np.testing.assert_allclose(line.get_xdata(), np.array(means[0])[order])
        np.testing.assert_allclose(line.get_ydata(), np.array(means[1])[order])


def test_lines_differ_in_grey_as_well() -> None:
    lines = drawn_lines(plot(figure(), one_threshold()).axes[0])
    assert (
        len({line.get_marker() for line in lines}) == len({line._dash_pattern for line in map(_hashable, lines)}) == 3
    )


def _hashable(line):
    line._dash_pattern = str(line._dash_pattern)
    return line


def test_one_seed_is_a_line_without_a_band() -> None:
    rows = select(one_threshold(), figure(where={"seed": 1, "normalization": "data"}))
    axes = plot(figure(), rows).axes[0]
    (line,) = drawn_lines(axes)
    np.testing.assert_allclose(line.get_ydata(), rows["accuracy"])
    heights = [np.ptp(path.vertices[:, 1]) for band in axes.collections for path in band.get_paths()]
    assert max(heights, default=0) <= np.ptp(rows["accuracy"])


@pytest.mark.parametrize("kind", ["barplot", "pointplot"])
def test_bars_and_points_are_means_with_intervals(kind: str) -> None:
    rows = select(one_threshold(), figure(where={"time_ms": "end"}))
    axes = plot(figure(plot=kind, x="normalization"), rows).axes[0]
    expected = {scheme: mean_and_interval(values(rows, normalization=scheme)) for scheme in SCHEMES}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == NAMES
    intervals = sorted(
        (min(line.get_ydata()), max(line.get_ydata())) for line in axes.lines
        if len(line.get_ydata()) == 2 and np.ptp(line.get_ydata()) > 0
    )  # fmt: skip
    np.testing.assert_allclose(intervals, sorted((low, high) for _, low, high in expected.values()))
    if kind == "barplot":
        heights = {
            scheme: next(patch for patch in axes.patches if same_color(patch.get_facecolor(), colour(scheme)))
            for scheme in SCHEMES
        }
        assert {scheme: patch.get_height() for scheme, patch in heights.items()} == pytest.approx(
            {scheme: mean for scheme, (mean, *_) in expected.items()}
        )
        assert len({patch.get_hatch() for patch in heights.values()}) == len(SCHEMES)
    else:
        for scheme, (mean, *_) in expected.items():
            own = [line.get_ydata() for line in axes.lines if same_color(line.get_color(), colour(scheme))]
            assert np.isclose(np.concatenate(own), mean).any()


def test_scattered_points_are_the_rows_themselves() -> None:
    rows = one_threshold()
    (points,) = plot(figure(plot="scatterplot"), rows).axes[0].collections
    drawn = {(round(x, 6), round(y, 6)) for x, y in points.get_offsets().tolist()}
    assert drawn == {(round(x, 6), round(y, 6)) for x, y in zip(rows["time_ms"], rows["accuracy"], strict=True)}


@pytest.mark.filterwarnings("ignore:vert. bool was deprecated")  # seaborn 0.13 calls Matplotlib as before 3.11
def test_boxes_have_the_medians() -> None:
    rows = one_threshold()
    axes = plot(figure(plot="boxplot", x="normalization"), rows).axes[0]
    horizontal = {float(line.get_ydata()[0]) for line in axes.lines if len(set(line.get_ydata())) == 1}
    for scheme in SCHEMES:
        median = float(np.median(values(rows, normalization=scheme)))
        assert any(np.isclose(median, y) for y in horizontal), scheme


def test_a_heat_map_shows_means_over_what_it_does_not_name() -> None:
    rows = select(table(), figure(where={"normalization": "data"}))
    axes = plot(figure(plot="heatmap", x="time_ms", y="v_th", hue="accuracy"), rows).axes[0]
    expected = [[values(rows, v_th=v_th, time_ms=time_ms).mean() for time_ms in TIMES] for v_th in V_TH]
    drawn = np.asarray(axes.collections[0].get_array(), float).reshape(len(V_TH), len(TIMES))
    order = [float(tick.get_text()) for tick in axes.get_yticklabels()]
    np.testing.assert_allclose(drawn, 100 * np.array([expected[V_TH.index(v_th)] for v_th in order]))
    assert [float(tick.get_text()) for tick in axes.get_xticklabels()] == list(TIMES)


def test_facets_show_each_value_of_their_column() -> None:
    rows = table()
    every = plot(figure(col="v_th", ceiling="ann_accuracy"), rows).axes
    assert len(every) == len(V_TH)
    for v_th, axes in zip(V_TH, every, strict=True):
        assert f"{v_th:g}" in axes.get_title()
        lines = drawn_lines(axes)
        for scheme in SCHEMES:
            (line,) = (line for line in lines if same_color(line.get_color(), colour(scheme)))
            means = [values(rows, normalization=scheme, v_th=v_th, time_ms=time_ms).mean() for time_ms in TIMES]
            np.testing.assert_allclose(line.get_ydata(), means)
        assert ceiling_of(axes) == {0.5: 0.75, 2.0: 0.25}[v_th]


def ceiling_of(axes) -> float:
    """The height of the dashed black line across the axes."""
    (line,) = (line for line in axes.lines if line.get_linestyle() == "--" and same_color(line.get_color(), "black"))
    (height,) = set(line.get_ydata())
    return float(height)


def test_the_ceiling_is_the_accuracy_of_the_ann() -> None:
    """It is named in the legend, with the levels or alone, where it covers no line."""
    for hue, levels in (("normalization", NAMES), ("", [])):
        rows = select(one_threshold(), figure(where={"normalization": list(SCHEMES) if hue else "data"}))
        canvas = plot(figure(ceiling="ann_accuracy", hue=hue), rows)
        (axes,), (legend,) = canvas.axes, canvas.legends
        assert ceiling_of(axes) == 0.75
        assert not axes.texts
        assert [text.get_text() for text in legend.get_texts()] == [*levels, "ANN accuracy"]
        assert legend.get_title().get_text() == ("normalisation" if hue else "")
        line = legend.legend_handles[-1]
        assert (line.get_linestyle(), line.get_color()) == ("--", "black")
        canvas.draw_without_rendering()
        assert legend.get_window_extent().y1 < axes.get_tightbbox().y0


def test_a_legend_of_levels_that_the_axis_names_is_of_the_ceiling_alone() -> None:
    rows = select(one_threshold(), figure(where={"time_ms": "end"}))
    (legend,) = plot(figure(plot="barplot", x="normalization", ceiling="ann_accuracy"), rows).legends
    assert [text.get_text() for text in legend.get_texts()] == ["ANN accuracy"]
    assert legend.get_title().get_text() == ""


@pytest.mark.parametrize("kind", ["lineplot", "pointplot", "barplot"])
@pytest.mark.parametrize(
    ("column", "seeds", "low", "high"),
    [
        ("accuracy", [0.95, 1.0, 1.0], 0.911622, 1.0),  # 0.983333 ± 4.302653 * 0.028868 / sqrt(3)
        ("accuracy", [0.0, 0.0, 0.05], 0.0, 0.088378),
        ("energy_nj", [1.0, 1.0, 9.0], 0.0, 15.140404),  # no energy is below 0, none has an upper end
        ("correlation", [0.9, 1.0, -0.9], -1.0, 1.0),
        ("v_th", [1.0, 1.0, -8.0], -14.907960, 10.907960),  # a swept number has no ends
    ],
)
def test_intervals_end_where_the_values_do(kind: str, column: str, seeds: list[float], low: float, high: float) -> None:
    rows = pd.DataFrame({"time_ms": [5.0] * 3 + [10.0] * 3, "seed": [0, 1, 2] * 2, column: seeds * 2})
    axes = plot(figure(plot=kind, y=column, hue=""), rows).axes[0]
    drawn = [path.vertices[:, 1] for band in axes.collections for path in band.get_paths()]
    drawn += [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2 and kind != "lineplot"]
    ends = [(min(y), max(y)) for y in drawn if np.ptp(y) > 0]
    assert ends
    np.testing.assert_allclose(ends, [(low, high)] * len(ends), atol=1e-5)


# How it looks


def test_axes_and_legend_have_labels_with_units() -> None:
    canvas = plot(figure(y="energy_nj", title="Some title"), one_threshold())
    axes = canvas.axes[0]
    assert axes.get_xlabel() == "time (ms)"
    assert axes.get_ylabel() == "energy per image (nJ)"
    (legend,) = canvas.legends
    assert legend.get_title().get_text() == "normalisation"
    assert [text.get_text() for text in legend.get_texts()] == NAMES
    assert canvas.get_suptitle() == "Some title"


@pytest.mark.parametrize("place", ["x", "y", "ceiling"])
def test_where_there_is_energy_there_is_its_caveat(place: str) -> None:
    fields = {"plot": "scatterplot", place: "energy_nj"}
    texts = [text.get_text() for text in plot(figure(**fields), one_threshold()).texts]
    assert texts.count(CAVEAT) == 1
    assert CAVEAT not in [text.get_text() for text in plot(figure(), one_threshold()).texts]


@pytest.mark.parametrize(
    ("log", "scales"), [("", ("linear", "linear")), ("x", ("log", "linear")), ("xy", ("log", "log"))]
)
def test_logarithmic_axes(log: str, scales: tuple[str, str]) -> None:
    axes = plot(figure(log=log), one_threshold()).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == scales


@pytest.mark.parametrize("kind", ["lineplot", "barplot"])
def test_a_scheme_has_the_same_colour_in_every_figure(kind: str) -> None:
    """Whatever other schemes are there, and in whatever order."""
    seen = []
    for schemes in (["data"], ["none", "data"], ["channel", "data", "none"]):
        rows = select(one_threshold(), figure(where={"normalization": schemes, "time_ms": "end"}))
        rows = rows.set_index("normalization").loc[schemes].reset_index()
        rows = pd.concat([rows, rows.assign(time_ms=20.0)])
        axes = plot(figure(plot=kind), rows).axes[0]
        wanted = values(rows, normalization="data", time_ms=15.0).mean()
        drawn = [(line.get_color(), line.get_ydata()[:1]) for line in axes.lines]
        drawn += [(patch.get_facecolor(), [patch.get_height()]) for patch in axes.patches]
        found = [colour for colour, heights in drawn if len(heights) and np.isclose(heights[0], wanted)]
        seen += map(to_rgba, found)
    assert len(seen) >= 3
    assert len(set(seen)) == 1


# Files


@pytest.fixture
def study(study_file: Path):
    return load_study(study_file)


@pytest.fixture
def folder(study, tmp_path: Path) -> Path:
    """Results of the tiny study, without any simulation."""
    claim_folder(tmp_path / "out", study.identity(tmp_path / "out"))
    write_table(tmp_path / "out", "metrics", [one_threshold().drop(columns="v_th")])
    return tmp_path / "out"


def test_the_same_table_gives_the_same_bytes(study, folder: Path) -> None:
    for medium, endings in (("page", ["png"]), ("paper", ["pdf", "svg"])):
        first = {path: path.read_bytes() for path in draw_figures(study, folder, MEDIA[medium])}
        assert [path.name for path in first] == [f"accuracy.{ending}" for ending in endings]
        plt.plot([1, 2])  # what others draw in between makes no difference
        plt.close("all")
        assert {path: path.read_bytes() for path in draw_figures(study, folder, MEDIA[medium])} == first


@pytest.mark.parametrize(("medium", "millimetres"), [("paper", (85, 180)), ("slides", (304.8, 304.8))])
def test_vectors_have_the_width_of_the_medium_and_need_no_font(study, folder: Path, medium: str, millimetres) -> None:
    for col, width in zip(("", "normalization"), millimetres, strict=True):
        changed = replace(study, figures=(replace(study.figures[0], col=col, hue=""),))
        pdf, svg = draw_figures(changed, folder, MEDIA[medium])
        (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", pdf.read_bytes())
        assert float(box[0]) / 72 * 25.4 == pytest.approx(width, abs=0.1)
        fonts = set(re.findall(rb"/FontName /(\S+)", pdf.read_bytes()))
        assert pdf.read_bytes().count(b"/FontFile2") == len(fonts) > 0
        assert b"/Type3" not in pdf.read_bytes()
        text = svg.read_text()
        assert "<text" not in text
        assert "<dc:date>" not in text
        assert float(re.search(r'width="([\d.]+)pt"', text)[1]) / 72 * 25.4 == pytest.approx(width, abs=0.1)


def test_another_value_gives_other_bytes(study, folder: Path) -> None:
    draw_figures(study, folder)
    before = (folder / "accuracy.png").read_bytes()
    rows = read_table(folder, "metrics")
    rows.loc[0, "accuracy"] += 0.2
    write_table(folder, "metrics", [rows])
    draw_figures(study, folder)
    assert (folder / "accuracy.png").read_bytes() != before


def test_no_window_stays_open(study, folder: Path) -> None:
    before = plt.get_fignums()
    draw_figures(study, folder)
    assert plt.get_fignums() == before


def test_nothing_is_drawn_from_another_studys_tables(study, tmp_path: Path) -> None:
    claim_folder(tmp_path / "other", {"title": "Another"})
    write_table(tmp_path / "other", "metrics", [one_threshold()])
    with pytest.raises(ResultsError, match="holds the results of another study, 'Another'"):
        draw_figures(study, tmp_path / "other")
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == [".conditions", "metrics.csv", "run.json"]


@pytest.mark.parametrize("kind", ["lineplot", "pointplot", "barplot", "scatterplot"])
def test_an_infinite_level_is_a_level_like_any_other(kind):
    """No clamp is -inf; a colour scale of numbers would end in NaN."""
    levels = [-math.inf, -1.0, 0.0]
    rows = pd.DataFrame([{"v_min": low, "v_th": x, "accuracy": x / 4} for low in levels for x in (1.0, 2.0)])
    canvas = plot(FigureSpec(name="clamp", plot=kind, x="v_th", y="accuracy", hue="v_min"), rows)
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["none", "-1", "0"]


@pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
@pytest.mark.parametrize("levels", [1, 12])
def test_nothing_covers_anything_or_leaves_the_figure(medium, levels: int) -> None:
    """Title, panels with their labels, legend and notes, whatever is long."""
    rows = pd.DataFrame(
        [(f"a variant with a long name, number {n}", col, t, 1.0 + t, 0.9) for n in range(levels)
         for col in (0.5, 1.0, 2.0) for t in range(4)],
        columns=["variant", "v_th", "time_ms", "energy_nj", "accuracy"],
    ).assign(ann_accuracy=0.95, seed=0)  # fmt: skip
    spec = figure(x="energy_nj", hue="variant", col="v_th", ceiling="ann_accuracy", log="x", title="A title " * 5)
    canvas = plot(spec, rows, medium)
    canvas.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in canvas.axes] + [text.get_window_extent() for text in canvas.texts]
    boxes.append(canvas.legends[0].get_window_extent())
    for one, other in itertools.combinations(boxes, 2):
        apart = one.x1 <= other.x0 + 1 or other.x1 <= one.x0 + 1 or one.y1 <= other.y0 + 1 or other.y1 <= one.y0 + 1
        assert apart, (one, other)
    whole = canvas.get_tightbbox().padded(-0.03)
    assert whole.x0 >= 0
    assert whole.y0 >= 0
    assert whole.x1 <= canvas.get_figwidth()
    assert whole.y1 <= canvas.get_figheight()


@pytest.mark.parametrize("kind", ["lineplot", "pointplot"])
def test_theory_is_dashed_in_the_colour_of_what_it_predicts(kind):
    rows = table().assign(agreement=lambda rows: rows["time_ms"] * rows["v_th"])
    canvas = plot(figure(plot=kind, hue="v_th", theory="agreement"), rows)
    (axes,) = canvas.axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and line.get_marker() in ("None", "")]
    assert [list(line.get_ydata()) for line in dashed] == [[time * v_th for time in TIMES] for v_th in V_TH]
    x = range(3) if kind == "pointplot" else TIMES
    assert all(list(line.get_xdata()) == list(x) for line in dashed)
    assert [line.get_color() for line in dashed] == [way.colour for way in styles("v_th", V_TH).values()]


def test_heat_maps_side_by_side_share_their_colours():
    rows = table()
    canvas = plot(figure(plot="heatmap", x="v_th", y="normalization", hue="accuracy", col="time_ms"), rows)
    maps = [axes.collections[0] for axes in canvas.axes[:3]]
    assert len({each.get_clim() for each in maps}) == 1
    for time, drawn in zip(TIMES, maps, strict=True):
        wanted = [[values(rows, normalization=n, v_th=v, time_ms=time).mean() for v in V_TH] for n in sorted(SCHEMES)]
        np.testing.assert_allclose(drawn.get_array(), 100 * np.array(wanted))


@pytest.mark.parametrize("kind", ["pointplot", "barplot", "lineplot", "scatterplot"])
def test_layers_of_a_single_condition_need_no_hue(kind: str):
    rows = pd.DataFrame({"layer": ["a", "b", "c"], "rate_hz": [1.0, 3.0, 2.0]})
    (axes,) = plot(figure(plot=kind, table="layers", x="layer", y="rate_hz", hue=""), rows).axes
    assert axes.get_xlabel() == "layer"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["pointplot", "barplot", "lineplot", "scatterplot"])
def test_the_input_stands_before_the_layers_also_where_it_spikes_in_later_rows_only(kind: str):
    layers, rates = ["conv", "fc", "input", "conv", "fc"], np.arange(1.0, 6.0)
    rows = pd.DataFrame({"normalization": ["none"] * 2 + ["data"] * 3, "layer": layers, "rate_hz": rates})
    (axes,) = plot(figure(plot=kind, table="layers", x="layer", y="rate_hz"), rows).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["input", "conv", "fc"]


def test_names_of_many_layers_do_not_overlap():
    layers = [f"block{i}_path_convolution" for i in range(30)]
    canvas = plot(
        figure(plot="pointplot", table="layers", x="layer", y="rate_hz", hue=""),
        pd.DataFrame({"layer": layers, "rate_hz": np.arange(1.0, 31.0)}),
    )
    canvas.draw_without_rendering()
    boxes = [label.get_window_extent() for label in canvas.axes[0].get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_names_may_stand_on_the_y_axis_of_points() -> None:
    rows = pd.DataFrame({"neuron": ["if", "lif", "if", "lif"], "accuracy": [0.5, 0.75, 0.7, 0.95], "time_ms": 1.0})
    drawn = plot(figure(plot="pointplot", x="accuracy", y="neuron", hue=""), rows)
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["IF", "LIF"]
    np.testing.assert_allclose(drawn.axes[0].lines[0].get_xdata(), [0.6, 0.85])
