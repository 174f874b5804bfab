"""The pictures: the numbers in them, their labels, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from nndl.vis_utils import (
    PALETTE,
    draw_graph,
    plot_progress,
    plot_training,
    show_images,
    use_book_style,
    visualize_grid,
)

pytestmark = pytest.mark.usefixtures("figures")


class History:
    """What `plot_training` reads of a solver."""

    def __init__(self, losses, accuracies):
        self.loss_history = losses
        self.train_acc_history = self.val_acc_history = accuracies
        self.iterations_per_epoch = 5


# ---- visualize_grid ------------------------------------------------------------------


def test_a_grid_has_each_image_in_its_place_stretched_to_the_full_range():
    images = np.arange(3 * 2 * 2).reshape(3, 2, 2, 1) * 5.0
    grid = visualize_grid(images, ubound=30.0, padding=1)
    image = [[0, 10], [20, 30]]
    expected = np.zeros((5, 5))
    expected[:2, :2] = expected[:2, 3:] = expected[3:, :2] = image
    np.testing.assert_allclose(grid[..., 0], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("N", "padding", "shape"),
    [(1, 1, (4, 5, 3)), (4, 0, (8, 10, 3)), (5, 2, (16, 19, 3)), (9, 1, (14, 17, 3))],
)
def test_a_grid_is_the_smallest_square_that_holds_all_images(N, padding, shape):
    assert (
        visualize_grid(
            np.random.default_rng(0).random((N, 4, 5, 3)), padding=padding
        ).shape
        == shape
    )


def test_a_constant_image_is_half_as_bright_as_possible():
    assert (visualize_grid(np.full((1, 2, 2, 3), 7.0)) == 127.5).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_is_not_finite_is_grey_and_spoils_no_other(value):
    images = np.arange(24.0).reshape(2, 2, 2, 3)
    images[0, 0, 0, 0] = value
    grid = visualize_grid(images, ubound=10.0, padding=1)
    np.testing.assert_array_equal(grid[:2, :2], 5)
    assert (grid[:2, 3:5].min(), grid[:2, 3:5].max()) == (0, 10)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32, np.float64])
def test_a_grid_has_values_from_0_to_the_bound_whatever_the_type(dtype):
    images = np.random.default_rng(0).integers(0, 120, (4, 3, 3, 3)).astype(dtype)
    images[0, 0, 0] = 120
    grid = visualize_grid(images)
    assert grid.min() == 0
    assert grid.max() == 255


def test_each_image_is_stretched_on_its_own():
    dim = np.random.default_rng(0).random((1, 3, 3, 3))
    both = visualize_grid(np.concatenate([dim, 1000 * dim]), padding=0)
    np.testing.assert_allclose(both[:3, :3], both[:3, 3:], rtol=1e-12, atol=1e-9)


def test_a_grid_leaves_the_images_as_they_were(frozen):
    images = np.random.default_rng(0).random((4, 3, 3, 3))
    before = frozen(images)
    visualize_grid(images)
    assert frozen(images) == before


@pytest.mark.parametrize(
    ("images", "options", "kind", "message"),
    [
        (np.ones((3, 2, 2)), {}, ValueError, r"`Xs` must have shape \(N, H, W, C\)"),
        (np.ones((0, 2, 2, 3)), {}, ValueError, "`Xs` must have shape .* not be empty"),
        (np.ones((1, 0, 2, 3)), {}, ValueError, "`Xs` must have shape"),
        (np.ones((1, 2, 2, 0)), {}, ValueError, "`Xs` must have shape"),
        (
            np.ones((1, 2, 2, 3)),
            {"padding": -1},
            ValueError,
            "`padding` must be at least 0",
        ),
        (
            np.ones((1, 2, 2, 3)),
            {"padding": 0.5},
            TypeError,
            "`padding` must be an integer",
        ),
        (np.ones((1, 2, 2, 3)), {"ubound": 0}, ValueError, "`ubound` must be above 0"),
        (
            np.ones((1, 2, 2, 3)),
            {"ubound": "1"},
            TypeError,
            "`ubound` must be a number",
        ),
    ],
)
def test_a_grid_refuses_wrong_arguments(images, options, kind, message):
    with pytest.raises(kind, match=message):
        visualize_grid(images, **options)


# ---- show_images ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("N", "columns", "places"),
    [(1, 10, (1, 1)), (10, 10, (1, 10)), (11, 10, (2, 10)), (6, 4, (2, 4))],
)
def test_images_are_shown_in_rows(N, columns, places):
    figure = show_images(np.zeros((N, 3, 4, 5)), columns=columns)
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == places
    assert sum(len(ax.images) for ax in figure.axes) == N
    assert not any(ax.axison for ax in figure.axes)


def test_pixels_are_rounded_clipped_and_moved_to_height_width_channel():
    image = np.array([-3.0, 0.4, 0.6, 254.6, 255.4, 300.0]).reshape(1, 3, 1, 2)
    shown = show_images(np.repeat(image, 2, axis=2)).axes[0].images[0].get_array()
    assert shown.dtype == np.uint8
    assert shown.shape == (2, 2, 3)
    assert shown[0].tolist() == [[0, 1, 255], [0, 255, 255]]


def test_pixels_that_are_nan_are_shown_black():
    images = np.full((1, 1, 2, 2), 200.0)
    images[0, 0, 0] = np.nan, np.inf
    (ax,) = show_images(images).axes
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 255], [200, 200]])


def test_a_grey_image_is_shown_in_grey_over_the_whole_range():
    picture = show_images(np.full((1, 1, 4, 4), 7)).axes[0].images[0]
    assert picture.get_array().shape == (4, 4)
    assert picture.get_cmap().name == "gray"
    assert picture.get_clim() == (0, 255)


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize(("H", "W"), [(1, 1), (1, 4), (4, 1)])
def test_an_image_one_pixel_high_or_wide_keeps_its_shape(C, H, W):
    shown = show_images(np.zeros((1, C, H, W))).axes[0].images[0].get_array()
    assert shown.shape == ((H, W) if C == 1 else (H, W, C))


def test_titles_stand_above_their_images():
    figure = show_images(np.zeros((3, 3, 2, 2)), titles=["cat", "dog", "ship"])
    assert [ax.get_title() for ax in figure.axes] == ["cat", "dog", "ship"]


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 4, 4), {}, r"`images` must have shape \(N, C, H, W\)"),
        ((2, 4, 4, 3), {}, "`images` must have shape"),
        ((0, 3, 4, 4), {}, "`images` must have shape"),
        ((2, 3, 4, 4), {"titles": ["one"]}, "`titles` must hold 2 titles, but holds 1"),
        ((2, 3, 4, 4), {"columns": 0}, "`columns` must be at least 1"),
        ((2, 3, 4, 4), {"size": 0}, "`size` must be above 0"),
    ],
)
def test_wrong_images_are_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        show_images(np.zeros(shape), **options)


# ---- plot_training -------------------------------------------------------------------


def test_the_running_mean_of_the_losses_stands_over_the_last_of_its_window():
    losses = np.linspace(3, 1, 200) ** 2
    left, _ = plot_training(History(list(losses), [0.1, 0.2])).axes
    _, mean = left.lines
    assert mean.get_label() == "mean of 4"
    x, y = mean.get_data()
    assert (x[0], x[-1]) == (4, 200)
    assert y[0] == pytest.approx(losses[:4].mean(), rel=1e-12)
    assert y[-1] == pytest.approx(losses[-4:].mean(), rel=1e-12)


def test_few_losses_are_drawn_without_a_mean():
    left, _ = plot_training(History([3.0, 2.0, 1.0], [0.1, 0.2])).axes
    assert len(left.lines) == 1
    assert left.lines[0].get_xdata().tolist() == [1, 2, 3]


def test_accuracies_are_drawn_in_percent():
    _, right = plot_training(History([1.0], [0.25, 0.5])).axes
    assert right.lines[0].get_ydata().tolist() == [25, 50]


def test_a_solver_that_has_not_trained_can_be_drawn():
    plot_training(History([], [])).canvas.draw()


# ---- draw_graph ----------------------------------------------------------------------

NODES = {"x": (0, 0), "y": (0, 2), "*": (1, 1), "* ": (2, 1)}
EDGES = [("x", "*", "3", "-4"), ("y", "*", "-4", "3"), ("*", "* ", "-12", "1")]


def test_a_graph_shows_every_node_value_and_gradient():
    figure = draw_graph(NODES, EDGES)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(t for t in texts if t) == sorted(
        ["x", "y", "*", "*", "3", "-4", "-4", "3", "-12", "1"]
    )
    figure.canvas.draw()


def test_a_graph_shows_values_and_gradients_in_two_colours():
    (ax,) = draw_graph(NODES, EDGES).axes
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert colours["-12"] == PALETTE["blue"]
    assert colours["1"] == PALETTE["vermilion"]


def test_a_graph_can_be_drawn_into_given_axes(figures):
    figure, ax = figures.subplots()
    assert draw_graph(NODES, EDGES, ax=ax) is figure
    assert figures.get_fignums() == [figure.number]


@pytest.mark.parametrize("edge", [("x", "z", "", ""), ("z", "x", "", "")])
def test_an_edge_to_an_unknown_node_is_an_error_that_names_it_and_leaves_no_figure(
    edge, figures
):
    with pytest.raises(
        ValueError, match="`edges` names the node 'z', which is not in `nodes`"
    ):
        draw_graph(NODES, [*EDGES, edge])
    assert figures.get_fignums() == []


def test_a_graph_without_nodes_is_an_error():
    with pytest.raises(ValueError, match="`nodes` must"):
        draw_graph({}, [])


# ---- progress ------------------------------------------------------------------------

RECORDS = [
    {"chapter": 1, "network": "five hidden layers", "shapes": 0.5, "cifar10": 0.25},
    {"chapter": 2, "network": "Adam", "shapes": 0.625, "cifar10": 0.375},
]


def test_progress_has_a_row_a_chapter_and_a_bar_an_image_set_in_percent():
    (ax,) = plot_progress(RECORDS).axes
    assert sorted(bar.get_width() for bar in ax.patches) == [25, 37.5, 50, 62.5]
    rows = {round(bar.get_y() + bar.get_height() / 2): [] for bar in ax.patches}
    for bar in ax.patches:
        rows[round(bar.get_y() + bar.get_height() / 2)].append(bar.get_width())
    assert rows == {0: [50, 25], 1: [62.5, 37.5]}
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["1  five hidden layers", "2  Adam"]


def test_progress_writes_each_percentage_beside_its_bar():
    (ax,) = plot_progress(RECORDS).axes
    assert {text.get_text() for text in ax.texts} == {"50", "25", "62", "38"}


def test_progress_says_what_is_special_about_the_copy_of_cifar10():
    records = [RECORDS[0], RECORDS[1] | {"cifar10_note": "re-encoded"}]
    (legend,) = plot_progress(records).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["drawn shapes", "CIFAR-10, re-encoded"]


def test_progress_without_records_is_an_error(figures):
    with pytest.raises(ValueError, match="`records` must hold at least one"):
        plot_progress([])
    assert figures.get_fignums() == []


@pytest.mark.parametrize("key", ["chapter", "network", "shapes", "cifar10"])
def test_a_record_of_progress_that_lacks_an_entry_is_an_error_that_names_it(
    key, figures
):
    record = {name: value for name, value in RECORDS[1].items() if name != key}
    with pytest.raises(ValueError, match=f"`records` has a record without '{key}'"):
        plot_progress([RECORDS[0], record])
    assert figures.get_fignums() == []


# ---- the style -----------------------------------------------------------------------


def test_the_style_draws_in_the_palette_on_white(figures):
    use_book_style()
    figure, ax = figures.subplots()
    lines = [ax.plot([0, 1])[0].get_color() for _ in PALETTE]
    assert lines == list(PALETTE.values())
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_the_palette_has_eight_different_colours():
    assert len(set(PALETTE.values())) == len(PALETTE) == 8
