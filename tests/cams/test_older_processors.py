"""The numerics hold on processors with fewer instructions, which torch can emulate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROCESSORS = {
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "no vectors in torch": {"ATEN_CPU_CAPABILITY": "default"},
}
CAMS = ROOT / "tests" / "cams"
PARITY = ROOT / "tests" / "parity" / "test_grad_cam_package.py"
SELECTION = (
    CAMS / "test_methods.py",
    CAMS / "test_maps.py",
    CAMS / "engine" / "test_packed.py",
    CAMS / "engine" / "test_accelerate.py",
    CAMS / "engine" / "test_explain.py",
    f"{PARITY}::test_raw_maps_agree[efficientnet_b0-features.4-4]",
    f"{PARITY}::test_raw_maps_agree_in_single_precision[efficientnet_b0-features.4-4]",
    f"{PARITY}::test_raw_maps_agree_in_single_precision[densenet121-features.denseblock3-4]",
    f"{PARITY}::test_grad_cam_plus_plus_differs_by_the_peers_eps_and_nothing_else"
    "[efficientnet_b0-features.4-4]",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_numerics_hold_on_an_older_processor(name: str) -> None:
    environment = os.environ | PROCESSORS[name] | {"OMP_NUM_THREADS": "1"}
    for key in [key for key in environment if key.startswith("PYTEST_")]:
        del environment[key]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-n", "0"]
    command = [sys.executable, "-m", "pytest", *options, *map(str, SELECTION)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
