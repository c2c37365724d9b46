"""Writers of small folders in the layouts of the real Kaggle sets, as untidy as those are."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

Picture = Callable[
    [int, int, int], np.ndarray
]  # (label, number, side) -> (side, side, 3) uint8 RGB


def eye(label: int, number: int, side: int) -> np.ndarray:
    """A dim textured disc on black whose spots grow in number with the label."""
    rng = np.random.default_rng([label, number])
    image = np.zeros((side, side, 3), np.uint8)
    centre = (side // 2, side // 2)
    cv2.circle(image, centre, int(0.46 * side), (150, 70, 30), cv2.FILLED)
    for x, y in rng.uniform(0.3, 0.7, (2 + 3 * label, 2)):
        cv2.circle(image, (int(x * side), int(y * side)), max(1, side // 40), (80, 10, 10), -1)
    return cv2.GaussianBlur(image, (0, 0), side / 200)


def chest(label: int, number: int, side: int) -> np.ndarray:
    """Two dark lungs on grey, with a bright patch that depends on the label."""
    rng = np.random.default_rng([100 + label, number])
    image = np.full((side, side, 3), 150 + int(rng.integers(40)), np.uint8)
    image[lungs(side)] = 50
    x, y = rng.uniform(0.3, 0.7, 2)
    cv2.circle(image, (int(x * side), int(y * side)), 2 + label * side // 16, (190, 190, 190), -1)
    return image


def lungs(side: int) -> np.ndarray:
    """(side, side) bool: two upright rectangles."""
    mask = np.zeros((side, side), bool)
    mask[side // 5 : 4 * side // 5, side // 6 : 2 * side // 5] = True
    mask[side // 5 : 4 * side // 5, 3 * side // 5 : 5 * side // 6] = True
    return mask


def write(path: Path, image: np.ndarray, form: str = "rgb") -> Path:
    """Save RGB uint8 as "rgb", "rgba", "grey", "grey16" or "rgb16", as the extension says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    pixels = {
        "rgb": bgr,
        "rgba": cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        "grey": grey,
        "grey16": grey.astype(np.uint16) * 257,
        "rgb16": bgr.astype(np.uint16) * 257,
    }[form]
    coded = cv2.imencode(path.suffix.lower(), pixels)[1]
    path.write_bytes(coded.tobytes())
    return path


def write_aptos(root: Path, per_grade: int = 5, side: int = 96, picture: Picture = eye) -> Path:
    """`aptos2019/` with train.csv and train_images/, wide images of two sizes, some RGBA or JPEG.

    Besides `per_grade` images of each grade there is one exact duplicate (`again`, of the first
    image of grade 0) and one pair with conflicting labels (`torn1`, `torn2`: grades 2 and 3).
    """
    folder = root / "aptos2019"
    rows = []
    for label in range(5):
        for number in range(per_grade):
            image = picture(label, number, side if label else 2 * side)  # size leaks grade 0
            wide = cv2.copyMakeBorder(
                image, 0, 0, side // 4, side // 3, cv2.BORDER_CONSTANT, value=(2, 2, 2)
            )
            code = f"{label}e{number:010d}"  # would be read as a number
            suffix, form = (".png", "rgb") if number % 3 else (".PNG", "rgba")
            suffix = ".jpeg" if number == 1 else suffix
            write(folder / "train_images" / f"{code}{suffix}", wide, form)
            rows.append((code, label))
    first = next((folder / "train_images").glob("0e0000000000.*"))
    (folder / "train_images" / "again.png").write_bytes(first.read_bytes())
    torn = picture(2, 999, side)
    for code, label in (("torn1", 2), ("torn2", 3)):
        write(folder / "train_images" / f"{code}.png", torn)
        rows.append((code, label))
    table = pd.DataFrame([*rows, ("again", 0)], columns=["id_code", "diagnosis"])
    table.to_csv(folder / "train.csv", index=False)
    table[["id_code"]].iloc[:0].to_csv(folder / "test.csv", index=False)
    return folder


RELEASES = {  # folder of the set, then per class: folder, file name pattern, workbook
    "first": (
        "COVID-19 Radiography Database",
        {
            0: ("NORMAL", "NORMAL ({}).png", "NORMAL.matadata.xlsx"),
            1: ("Viral Pneumonia", "Viral Pneumonia ({}).png", "Viral Pneumonia.matadata.xlsx"),
            2: ("COVID-19", "COVID-19 ({}).png", "COVID-19.metadata.xlsx"),
        },
    ),
    "interim": (
        "COVID-19 Radiography Database",
        {
            0: ("NORMAL", "NORMAL ({}).png", "NORMAL.metadata.xlsx"),
            1: ("Viral Pneumonia", "Viral Pneumonia ({}).png", "Viral Pneumonia.metadata.xlsx"),
            2: ("COVID", "COVID ({}).png", "COVID.metadata.xlsx"),
        },
    ),
    "2021": (
        "COVID-19_Radiography_Dataset",
        {
            0: ("Normal", "Normal-{}.png", "Normal.metadata.xlsx"),
            1: ("Viral Pneumonia", "Viral Pneumonia-{}.png", "Viral Pneumonia.metadata.xlsx"),
            2: ("COVID", "COVID-{}.png", "COVID.metadata.xlsx"),
            3: ("Lung_Opacity", "Lung_Opacity-{}.png", "Lung_Opacity.metadata.xlsx"),
        },
    ),
}


def write_radiography(
    root: Path, release: str = "2021", per_class: int = 5, side: int = 96, picture: Picture = chest
) -> Path:
    """A release's folder: grey, 16-bit, RGB and RGBA images; 2021 with masks of 6/7 of the side.

    The interim release mixes images of `side` and a quarter of it. Every class has its workbook.
    """
    title, classes = RELEASES[release]
    folder = root / title
    forms = ("grey", "grey16", "rgb", "rgba")
    for label, (part, pattern, workbook) in classes.items():
        for number in range(1, per_class + 1):
            small = release == "interim" and label == 2 and number % 2 == 0
            image = picture(label, number, side // 4 if small else side)
            below = Path("images") if release == "2021" else Path()
            write(folder / part / below / pattern.format(number), image, forms[number % 4])
            if release == "2021":
                mask = lungs(side * 6 // 7).astype(np.uint8) * 255
                form = "grey" if number % 2 else "rgb"
                name = pattern.format(number)
                write(folder / part / "masks" / name, np.repeat(mask[..., None], 3, axis=2), form)
        names = [f"{part.upper()}-{number}" for number in range(1, per_class + 1)]
        table = pd.DataFrame({"FILE NAME": names, "FORMAT": "PNG", "SIZE": "256*256"})
        table["URL"] = [f"https://example.org/{part}/{number}" for number in range(per_class)]
        table.to_excel(folder / workbook, index=False)
    return folder


def cut(path: Path) -> None:
    """Drop the second half of a file, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
