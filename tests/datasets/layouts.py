"""Writers of small folders in the layouts of the real sets, as untidy as those are."""

import json
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
    image[image[..., 0] > 0] += shade(rng, side)[image[..., 0] > 0]
    return cv2.GaussianBlur(image, (0, 0), side / 200)


def shade(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) uint8 soft grey spots of 0 to 70, so that no two pictures are alike."""
    spots = rng.integers(0, 70, (16, 16)).astype(np.float32)
    soft = cv2.resize(spots, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.repeat(soft[..., None], 3, axis=2).astype(np.uint8)


def chest(label: int, number: int, side: int) -> np.ndarray:
    """Two dark lungs on grey, with a bright patch that depends on the label."""
    rng = np.random.default_rng([100 + label, number])
    image = np.full((side, side, 3), 150 + int(rng.integers(40)), np.uint8)
    image[lungs(side)] = 30
    image += shade(rng, side)
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


def write_eyepacs(root: Path, patients: int = 8, side: int = 96) -> Path:
    """`eyepacs_part/` with labels.csv and images/: both eyes of each patient, grades 0 to 4.

    Patient 100 + n has grade n % 5 in the left eye and, for n = 1, one more in the right one.
    """
    folder, rows = root / "eyepacs_part", []
    for number in range(patients):
        for turn, name in enumerate(("left", "right")):
            grade = number % 5 + (number == 1) * turn
            code = f"{100 + number}_{name}"
            write(folder / "images" / f"{code}.jpeg", eye(grade, 10 * number + turn, side))
            rows.append((code, grade))
    pd.DataFrame(rows, columns=["image", "level"]).to_csv(folder / "labels.csv", index=False)
    return folder


def write_idrid(root: Path, count: int = 6, shape: tuple[int, int] = (120, 180)) -> Path:
    """`idrid/A. Segmentation/...`: a disc of retina, a lesion of each type, masks a little larger.

    Odd photographs have no soft exudates. The last two are in the testing set.
    """
    folder = root / "idrid" / "A. Segmentation"
    height, width = shape
    codes = ("MA", "HE", "EX", "SE", "OD")
    names = ("Microaneurysms", "Haemorrhages", "Hard Exudates", "Soft Exudates", "Optic Disc")
    for number in range(count):
        part = "b. Testing Set" if number >= count - 2 else "a. Training Set"
        stem = f"IDRiD_{number + 1:02d}"
        image = np.zeros((height, width, 3), np.uint8)
        left = (width - height) // 2
        image[:, left : left + height] = eye(number % 5, number, height)
        write(folder / "1. Original Images" / part / f"{stem}.jpg", image)
        for place, (code, name) in enumerate(zip(codes, names, strict=True)):
            if code == "SE" and number % 2:
                continue
            mask = np.zeros((height + 4, width + 6, 3), np.uint8)
            size = 1 if code == "MA" else height // 8
            row, column = height // 3, left + height // 4 + place * height // 9
            mask[row : row + size, column : column + size] = 255
            place_of = folder / "2. All Segmentation Groundtruths" / part / f"{place + 1}. {name}"
            write(place_of / f"{stem}_{code}.tif", mask, "grey")
    return folder


def write_covid_3class(root: Path, per_class: int = 6, side: int = 64) -> Path:
    """`covid_3class/Covid19-dataset/{train,val}/...`, Covid grey or PNG, two copies across parts.

    `val/Normal/copy.jpeg` is a smaller copy of `train/Normal/1.jpeg`, and `val/Covid/copy.jpeg`
    a brighter one of `train/Covid/1.png`.
    """
    folder = root / "covid_3class" / "Covid19-dataset"
    classes = ("Normal", "Viral Pneumonia", "Covid")
    for label, name in enumerate(classes):
        for number in range(per_class):
            part = "val" if number % 3 == 0 else "train"
            suffix = ".png" if label == 2 else ".jpeg"
            form = "grey" if label == 2 else "rgb"
            write(folder / part / name / f"{number}{suffix}", chest(label, number, side), form)
    smaller = cv2.resize(chest(0, 1, side), (48, 48), interpolation=cv2.INTER_AREA)
    write(folder / "val" / "Normal" / "copy.jpeg", smaller)
    brighter = cv2.add(chest(2, 1, side), np.full((side, side, 3), 12, np.uint8))
    write(folder / "val" / "Covid" / "copy.jpeg", brighter, "grey")
    return folder


FINDINGS = ("COVID-19", "COVID-19, ARDS", "SARS", "No Finding", "todo")


def write_lung_boxes(root: Path, coco: bool = True, count: int = 10, side: int = 64) -> Path:
    """`covid_lung_boxes/` with images of twice as many rows as stored, in one of the two layouts.

    Pictures 2n and 2n + 1 are one patient's. Boxes are those of `lungs`, in pixels of a picture
    that is twice as large as the stored one.
    """
    folder = root / "covid_lung_boxes"
    boxes = {"right": (side / 3, 2 * side / 5, 7 * side / 15, 6 * side / 5)}
    boxes["left"] = (6 * side / 5, 2 * side / 5, 7 * side / 15, 6 * side / 5)
    images, marks, rows = [], [], []
    for number in range(count):
        name, finding = f"chest é {number}.jpg", FINDINGS[number % len(FINDINGS)]
        write(folder / "images" / name, chest(number % 3, 50 + number, side))
        row = {"filename": name, "width": 2 * side, "height": 2 * side, "finding": finding}
        row |= {"view": "PA", "patientid": str(number // 2), "licence": "CC BY 4.0"}
        for box, edges in boxes.items():
            row |= dict(zip((f"{box}_{edge}" for edge in "xywh"), edges, strict=True))
            category = 1 if box == "right" else 2
            marks.append({"image_id": number, "category_id": category, "bbox": list(edges)})
        rows.append(row)
        known = {"patientid": str(number // 2), "finding": finding, "view": "PA"}
        known["license"] = "CC BY 4.0"
        sizes = {"file_name": name, "width": 2 * side, "height": 2 * side}
        images.append(sizes | {"id": number, "metadata": known})
    if not coco:
        pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
        return folder
    sides = [{"id": 1, "name": "Right Lung"}, {"id": 2, "name": "Left Lung"}]
    content = {"categories": sides, "images": images, "annotations": marks}
    (folder / "annotations").mkdir()
    text = json.dumps(content)
    (folder / "annotations" / "annotations.json").write_text(text, encoding="utf-8")
    return folder


def cut(path: Path) -> None:
    """Drop the second half of a file, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
