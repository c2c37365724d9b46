"""Figures: what is drawn, what is said about empty maps, what is refused."""

from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from xaihelpers import networks
from xaihelpers.cams.maps import upsample
from xaihelpers.errors import FigureError
from xaihelpers.networks.classifiers import MEAN, STD
from xaihelpers.show import figures

IMAGE = np.full((8, 6, 3), 128, dtype=np.uint8)
COLOURED = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
HEAT = np.linspace(0, 1, 48, dtype=np.float32).reshape(8, 6)


@dataclass(frozen=True)
class Picture:
    image: np.ndarray
    label: int
    masks: dict[str, np.ndarray] = field(default_factory=dict)


def titles(figure: Figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def legend_names(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def drawn(figure: Figure) -> Figure:
    """Lay out and draw, so that what only fails while drawing fails here."""
    figure.canvas.draw()
    return figure


def test_the_overlay_shows_the_map_from_zero_to_its_maximum() -> None:
    figure = drawn(figures.overlay(IMAGE, 0.5 * HEAT))
    heat = figure.axes[0].images[1]
    assert heat.get_clim() == (0, 0.5)
    np.testing.assert_allclose(heat.get_array(), 0.5 * HEAT, rtol=1e-6)
    assert len(figure.axes) == 2  # the second is the colour bar


def test_the_default_colour_map_is_perceptually_uniform_and_jet_comes_on_request() -> None:
    assert figures.overlay(IMAGE, HEAT).axes[0].images[1].get_cmap().name == "inferno"
    assert figures.overlay(IMAGE, HEAT, cmap="jet").axes[0].images[1].get_cmap().name == "jet"


def test_an_empty_map_is_said_to_be_empty_in_its_title() -> None:
    figure = drawn(figures.overlay(IMAGE, 0 * HEAT, title="XGrad-CAM"))
    assert titles(figure)[0] == "XGrad-CAM\nno positive evidence"


def test_torch_and_numpy_channels_first_and_last_give_the_same_picture() -> None:
    last = figures.overlay(IMAGE, HEAT)
    first = figures.overlay(torch.from_numpy(IMAGE).permute(2, 0, 1), torch.from_numpy(HEAT))
    for one, other in zip(last.axes[0].images, first.axes[0].images, strict=True):
        np.testing.assert_array_equal(one.get_array(), other.get_array())


@pytest.mark.parametrize("size", [(8, 6), (90, 41), (5, 300)])
@pytest.mark.parametrize("grid", [(1, 1), (7, 7), (200, 3)])
def test_a_map_of_any_grid_is_brought_to_the_images_size_as_upsample_does(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    heat = torch.rand(1, *grid)
    shown = drawn(figures.overlay(torch.rand(3, *size), heat)).axes[0].images[1].get_array()
    torch.testing.assert_close(torch.from_numpy(np.asarray(shown)), upsample(heat, size)[0])


def test_a_grey_image_with_one_channel_is_drawn_in_grey() -> None:
    picture = figures.overlay(torch.from_numpy(IMAGE[None, ..., 0]), HEAT).axes[0].images[0]
    np.testing.assert_array_equal(picture.get_array(), IMAGE)


def test_a_normalised_image_is_drawn_as_it_was() -> None:
    image = torch.from_numpy(COLOURED).permute(2, 0, 1)[None]
    shown = figures.overlay(networks.normalize(image)[0], HEAT, mean=MEAN, std=STD)
    np.testing.assert_allclose(255 * shown.axes[0].images[0].get_array(), COLOURED, atol=1e-3)


def test_contours_have_one_colour_per_name_and_empty_masks_no_entry() -> None:
    mask = np.zeros((8, 6), dtype=bool)
    spot = mask.copy()
    spot[2:4, 2:4] = True
    masks = {"hard_exudate": spot, "new_vessels": mask, "something else": spot}
    figure = drawn(figures.overlay(IMAGE, HEAT, contours=masks))
    assert legend_names(figure) == ["hard exudate", "something else"]
    colours = {tuple(c.get_edgecolor()[0]) for c in figure.axes[0].collections}
    assert len(colours) == 2


def test_a_mask_that_reaches_the_border_is_outlined_there_too() -> None:
    everything = np.ones((8, 6), dtype=bool)
    figure = drawn(figures.overlay(IMAGE, HEAT, contours={"lung": everything}))
    assert figure.axes[0].collections[0].get_paths()[0].vertices.size > 0
    assert figure.axes[0].get_xlim() == (-0.5, 5.5)


def test_the_grid_titles_rows_and_columns_and_marks_the_empty_map() -> None:
    maps = np.stack([HEAT, 0 * HEAT])
    figure = drawn(figures.grid([IMAGE, IMAGE], {"Grad-CAM": maps, "CAM": maps}, ["cat", "dog"]))
    assert titles(figure)[:6] == ["cat", "dog", "", "no positive evidence"] + [
        "",
        "no positive evidence",
    ]
    rows = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert rows == ["image", "Grad-CAM", "CAM"]


def test_the_grid_outlines_masks_in_every_row_with_one_legend() -> None:
    mask = np.zeros((8, 6), dtype=bool)
    mask[1:3, 1:3] = True
    contours = [{"lung": mask}, {"lung": mask, "opacity": mask}]
    figure = drawn(figures.grid([IMAGE] * 2, {"CAM": [HEAT, HEAT]}, contours=contours))
    assert legend_names(figure) == ["lung", "opacity"]
    assert [len(ax.collections) for ax in figure.axes[:4]] == [1, 2, 1, 2]


def test_the_contact_sheet_names_classes_and_hides_what_is_left_over() -> None:
    records = [Picture(IMAGE, label) for label in (0, 1, 0)]
    figure = drawn(figures.contact_sheet(records, columns=2, classes=("sick", "well")))
    assert titles(figure) == ["sick", "well", "sick", ""]
    assert [ax.get_visible() for ax in figure.axes] == [True, True, True, False]


def test_bars_show_the_largest_in_size_first() -> None:
    figure = drawn(figures.bars(torch.tensor([0.1, -3.0, 2.0]), top=2))
    ax = figure.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [-3, 2]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2"]


def test_learning_curves_share_a_panel_per_quantity() -> None:
    history = [{"epoch": e, "train_loss": 1.0, "val_loss": 2.0, "val_kappa": 0.5} for e in (1, 2)]
    figure = drawn(figures.learning_curves(history))
    assert titles(figure) == ["loss", "kappa"]
    assert [len(ax.lines) for ax in figure.axes] == [2, 1]


def test_the_confusion_matrix_writes_counts_and_shades_by_the_true_class() -> None:
    figure = drawn(figures.confusion_matrix(torch.tensor([[3, 1], [0, 0]]), ["a", "b"]))
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["3", "1", "0", "0"]
    np.testing.assert_allclose(ax.collections[0].get_array().ravel(), [0.75, 0.25, 0, 0])


def test_a_signed_map_is_white_at_zero() -> None:
    figure = drawn(figures.signed_map(HEAT - 0.75))
    assert figure.axes[0].images[0].get_clim() == (-0.75, 0.75)


def test_a_map_alone_keeps_its_own_grid() -> None:
    assert drawn(figures.heat_map(HEAT[:2, :2])).axes[0].images[0].get_array().shape == (2, 2)


def test_drawing_on_a_given_axis_returns_its_figure() -> None:
    figure, ax = plt.subplots()
    try:
        assert figures.overlay(IMAGE, HEAT, ax=ax, contours={"x": HEAT > 0.5}) is figure
        drawn(figure)
    finally:
        plt.close(figure)


def test_figures_are_unknown_to_pyplot_so_that_a_notebook_shows_them_once() -> None:
    figures.overlay(IMAGE, HEAT)
    assert plt.get_fignums() == []


def test_the_style_applies_to_figures_made_elsewhere() -> None:
    with mpl.rc_context():
        figures.use_style()
        assert mpl.rcParams["image.interpolation"] == "nearest"


@pytest.mark.parametrize(
    ("image", "heat", "message"),
    [
        (IMAGE, np.stack([HEAT, HEAT]), "one map"),
        (IMAGE, HEAT - 0.5, "signed_map"),
        (IMAGE, HEAT * np.nan, "finite"),
        (IMAGE[None], HEAT, "one image"),
        (IMAGE / 255.0 - 1, HEAT, "mean="),
        (IMAGE.astype(np.int64), HEAT, "uint8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(image: np.ndarray, heat: np.ndarray, message: str) -> None:
    with pytest.raises(FigureError, match=message):
        figures.overlay(image, heat)


def test_a_mask_of_another_size_is_refused_by_name() -> None:
    with pytest.raises(FigureError, match="'lung' must be bool"):
        figures.overlay(IMAGE, HEAT, contours={"lung": np.ones((4, 3), dtype=bool)})


def test_an_unknown_colour_map_is_refused() -> None:
    with pytest.raises(FigureError, match="'infreno'"):
        figures.overlay(IMAGE, HEAT, cmap="infreno")


def test_counts_that_differ_are_refused() -> None:
    with pytest.raises(FigureError, match="2 images but 1 maps of 'CAM'"):
        figures.grid([IMAGE] * 2, {"CAM": [HEAT]})
    with pytest.raises(FigureError, match="column titles"):
        figures.grid([IMAGE] * 2, {"CAM": [HEAT] * 2}, columns=["one"])
    with pytest.raises(FigureError, match="contours for 1"):
        figures.grid([IMAGE] * 2, {"CAM": [HEAT] * 2}, contours=[{}])


def test_charts_without_data_are_refused() -> None:
    with pytest.raises(FigureError, match="at least one record"):
        figures.contact_sheet([])
    with pytest.raises(FigureError, match="bars needs"):
        figures.bars(np.ones((2, 2)))
    with pytest.raises(FigureError, match="train_loss"):
        figures.learning_curves([{"epoch": 1, "lr": 0.1}])
    with pytest.raises(FigureError, match="2 classes need"):
        figures.confusion_matrix(np.ones((3, 3)), ["a", "b"])
