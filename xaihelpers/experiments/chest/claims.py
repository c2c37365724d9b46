"""The claims of the X-ray project about networks, C7 and C17.

Each rule stands beside its claim, and was fixed before its figures were measured.
"""

from __future__ import annotations

from xaihelpers.claims.rules import Measures
from xaihelpers.claims.types import Claim
from xaihelpers.claims.verdicts import Verdict

SOURCE, CHAPTER = "the X-ray project", "15_chest_xray"


def c7(measures: Measures) -> Verdict:
    """Is the accuracy reached on real images, and by more than their source?"""
    accuracy, by_source = measures["accuracy"], measures.get("accuracy_by_source_alone")
    if not measures["real_images"].value:
        return "not testable here"
    if accuracy.highest < 95.83:
        return "refuted"
    if by_source is not None and by_source.value >= accuracy.lowest:
        return "depends"
    return "confirmed"


C7 = Claim(
    id="C7",
    statement="DenseNet-121 reaches 95.83 % accuracy on COVID, Normal and Viral Pneumonia",
    source=SOURCE,
    how="accuracy on the test set, beside that of a rule which knows an image's source alone",
    chapter=CHAPTER,
    rule_text=(
        "not testable here on rendered images, as the figure is one about real radiographs; "
        "refuted if the accuracy is below 95.83 (upper end); depends if a rule that sees only the "
        "source reaches it as well; else confirmed"
    ),
    rule=c7,
    measures=("accuracy", "real_images"),
    optional=("accuracy_by_source_alone",),
    depends_on="the source: where an image comes from tells the class as well",
)


def c17(measures: Measures) -> Verdict:
    """Are the parameters as counted, and is DenseNet-121 better than both others?"""
    counts = [
        (measures["parameters_densenet121"], 7.0, 1.0),
        (measures["parameters_vgg16"], 138.0, 1.0),
        (measures["parameters_resnet18"], 11.17, 0.01),
    ]
    if any(abs(count.value - stated) >= unit for count, stated, unit in counts):
        return "refuted"
    over = [measures["accuracy_over_vgg16"], measures["accuracy_over_resnet18"]]
    if all(difference.lowest > 0 for difference in over):
        return "confirmed"
    return "refuted" if any(difference.highest < 0 for difference in over) else "depends"


C17 = Claim(
    id="C17",
    statement=(
        'DenseNet-121 has "only" 7 M parameters and beats VGG-16 (138 M) and ResNet-18 (11.17 M)'
    ),
    source=SOURCE,
    how=(
        "parameters in millions, with the head (1000 classes, 3 classes, none) that comes nearest "
        "to the figure; accuracy on the same test images after the same training, DenseNet-121 "
        "less each of the others"
    ),
    chapter=CHAPTER,
    rule_text=(
        "refuted if a count is off by a unit of its last digit or more with every head, or another "
        "network is better (upper end below 0); confirmed if DenseNet-121 is better than both "
        "(lower ends above 0); else depends"
    ),
    rule=c17,
    measures=(
        "accuracy_over_vgg16",
        "accuracy_over_resnet18",
        "parameters_densenet121",
        "parameters_vgg16",
        "parameters_resnet18",
    ),
    depends_on="the network it is compared with; the counts are as claimed",
)


#: In order.
CLAIMS = (C7, C17)
