"""Stored outputs that look the same are kept, byte by byte; all others are replaced."""

import base64
import io

import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from xaihelpers.chapters import outputs

WIDGET = outputs.WIDGET


def picture(level: int, size: int = 8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), level, dtype=np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def notebook(**data: object) -> NotebookNode:
    return new_notebook(cells=[new_code_cell("1", id="a", outputs=[output(**data)])])


def output(**data: object) -> NotebookNode:
    kinds = {"png": "image/png", "text": "text/plain", "widget": WIDGET}
    return new_output("display_data", data={kinds[name]: value for name, value in data.items()})


def after(new: NotebookNode, stored: NotebookNode) -> NotebookNode:
    outputs.keep_alike(new, stored)
    return new.cells[0].outputs[0].data


def test_a_picture_that_looks_the_same_is_not_replaced() -> None:
    kept = after(notebook(png=picture(102)), notebook(png=picture(100)))
    assert kept["image/png"] == picture(100)


def test_a_picture_that_differs_visibly_or_in_size_is_replaced() -> None:
    assert after(notebook(png=picture(103)), notebook(png=picture(100)))["image/png"] == picture(
        103
    )
    larger = picture(100, size=9)
    assert after(notebook(png=larger), notebook(png=picture(100)))["image/png"] == larger


def test_new_text_beside_a_kept_picture_stays_new() -> None:
    kept = after(notebook(png=picture(1), text="new"), notebook(png=picture(0), text="old"))
    assert (kept["image/png"], kept["text/plain"]) == (picture(0), "new")


def test_a_widget_keeps_its_name_only_if_all_else_is_equal() -> None:
    old = notebook(widget={"model_id": "old"}, png=picture(0), text="x")
    assert after(notebook(widget={"model_id": "new"}, png=picture(1), text="x"), old) == (
        old.cells[0].outputs[0].data
    )
    changed = after(notebook(widget={"model_id": "new"}, png=picture(9), text="x"), old)
    assert changed[WIDGET] == {"model_id": "new"}


def test_a_cell_that_was_not_there_before_is_left_alone() -> None:
    new = notebook(png=picture(101))
    new.cells[0].id = "another"
    assert after(new, notebook(png=picture(100)))["image/png"] == picture(101)


def test_what_is_no_picture_is_replaced() -> None:
    broken = base64.b64encode(b"no picture").decode()
    assert after(notebook(png=picture(1)), notebook(png=broken))["image/png"] == picture(1)
