"""Stored outputs that look the same stay as they are, so that a rerun changes no file for nothing.

The last bit of a sum, and so the last grey level of a picture, differs between processors.
"""

from __future__ import annotations

import base64
import binascii
import io

from nbformat import NotebookNode

from xaihelpers.files import look_the_same

#: Names the live widget of one kernel; another run gives another name to the same thing.
WIDGET = "application/vnd.jupyter.widget-view+json"


def keep_alike(new: NotebookNode, stored: NotebookNode) -> None:
    """Put back, in place, what looks the same in the stored notebook.

    A picture is put back if it is of equal size and nowhere more than `files.VISIBLE` grey levels
    apart; the name of a widget, if all else that stands beside it is equal.

    Args:
        new: the executed notebook; changed in place.
        stored: the notebook as it was. Cells belong together by their id.
    """
    before = {cell.id: cell.get("outputs", []) for cell in stored.cells if "id" in cell}
    for cell in new.cells:
        for output, old in zip(
            cell.get("outputs", []), before.get(cell.get("id"), []), strict=False
        ):
            if "data" in output and "data" in old:
                _keep_alike(output.data, old.data)


def _keep_alike(new: NotebookNode, old: NotebookNode) -> None:
    for kind in set(new) & set(old):
        if kind in ("image/png", "image/jpeg") and _same_picture(new[kind], old[kind]):
            new[kind] = old[kind]
    if WIDGET in old and {**new, WIDGET: old[WIDGET]} == old:
        new[WIDGET] = old[WIDGET]


def _same_picture(first: str, second: str) -> bool:
    try:
        pictures = [io.BytesIO(base64.b64decode(text)) for text in (first, second)]
    except binascii.Error:
        return False
    return look_the_same(*pictures)
