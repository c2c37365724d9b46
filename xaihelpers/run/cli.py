"""The command line: `python -m xaihelpers <command>`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from xaihelpers.errors import XaiError

Command = Callable[[argparse.Namespace], int]


def data_check(arguments: argparse.Namespace) -> int:
    from xaihelpers.datasets.real import check

    return check.check_command(arguments.folder)


def data_get(arguments: argparse.Namespace) -> int:
    from xaihelpers.datasets.real import download

    return download.get_command(arguments.name, arguments.mirror)


def data_render(arguments: argparse.Namespace) -> int:
    from xaihelpers.datasets import load

    for name in ("fundus", "chest_xray", "scenes"):
        for split in ("train", "val", "test"):
            dataset = load(name, split=split, size=arguments.size, seed=arguments.seed)
            print(f"{name} {split}: {len(dataset)} images of {dataset.size} px")
    return 0


def train(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import train as job

    return job.run(
        arguments.study,
        arguments.arch,
        arguments.seed,
        arguments.data_root,
        arguments.profile,
        arguments.skip_bad,
    )


def reproduce(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import main_job

    return main_job.run(
        arguments.profile,
        arguments.seed,
        arguments.data_root,
        arguments.only or None,
        arguments.skip_bad,
    )


def explain(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import explain_command

    return explain_command.run(arguments)


def notebooks(arguments: argparse.Namespace) -> int:
    from xaihelpers.chapters import runner

    return runner.store(arguments.names)


def badges(arguments: argparse.Namespace) -> int:
    from xaihelpers.chapters import places

    return places.run()


def claims(arguments: argparse.Namespace) -> int:
    from xaihelpers.experiments import LEDGER

    if not arguments.ids:
        return LEDGER.show()
    return LEDGER.rerun(arguments.ids, arguments.profile, arguments.seed, arguments.data_root)


def export(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import export as job

    return job.run(arguments.name, arguments.to, arguments.precision)


def sweep(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import sweep as job

    return job.run(
        arguments.chapter,
        arguments.parameters,
        arguments.engine,
        arguments.scheduler,
        arguments.workers,
    )


def measure(arguments: argparse.Namespace) -> int:
    from xaihelpers.run import measure as job

    return job.run(arguments.name, arguments.rest)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        choices=("quick", "full", "gpu"),
        default="quick",
        help="how much to compute (default: quick, minutes on two cores)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    parser.add_argument(
        "--data-root",
        default="",
        metavar="FOLDER",
        help="folder with aptos2019/ or a radiography folder (default: rendered data)",
    )


def _add_skip_bad(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave unusable real files out and count them (default: stop and name them)",
    )


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="look at, download or render data")
    actions = data.add_subparsers(required=True, metavar="action")
    check = actions.add_parser("check", help="say what a folder of real data holds and lacks")
    check.add_argument("folder")
    check.set_defaults(command=data_check)
    get = actions.add_parser("get", help="fetch a real data set")
    get.add_argument("name", help="aptos, radiography, eyepacs_part, covid_3class ...")
    get.add_argument(
        "--from",
        dest="mirror",
        default="",
        metavar="PLACE",
        help="folder or address that holds the archives instead (default: where the set is kept)",
    )
    get.set_defaults(command=data_get)
    render = actions.add_parser("render", help="render all splits into the cache, once")
    render.add_argument("--size", type=int, help="side in pixels (default: 224; scenes: 128)")
    render.add_argument("--seed", type=int, default=0, help="seed of the images (default: 0)")
    render.set_defaults(command=data_render)


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    swept = commands.add_parser(
        "sweep",
        allow_abbrev=False,
        help="a chapter under every combination of parameters",
        usage="%(prog)s [options] CHAPTER --PARAMETER VALUES [--PARAMETER VALUES ...]",
        description="Any name in the chapter's cell tagged 'parameters' is a PARAMETER. Example: "
        "python -m xaihelpers sweep 14_aptos --seed 0..4 --network vgg19,efficientnet_b0",
    )
    swept.add_argument("--engine", choices=("local", "dask"), default="local")
    swept.add_argument(
        "--scheduler", default="", help="address of a dask scheduler (default: one made here)"
    )
    swept.add_argument("--workers", type=int, default=2, help="runs at a time (default: 2)")
    swept.add_argument("chapter", help="number or name")
    swept.set_defaults(command=sweep)


def _add_claims(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ledger = commands.add_parser("claims", help="the ledger of claims in short, or rerun some")
    ledger.add_argument("ids", nargs="*", metavar="C2", help="claims to measure again")
    _add_run_options(ledger)
    ledger.set_defaults(command=claims)


def _add_measure(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from xaihelpers.run.measure import listing

    measured = commands.add_parser(
        "measure",
        help="the tables that take longer than a chapter, by name",
        usage="%(prog)s NAME [options]   (options: %(prog)s NAME --help)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=listing(),
    )
    measured.add_argument("name", metavar="NAME", help="what to measure, see below")
    measured.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    measured.set_defaults(command=measure)


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explained = commands.add_parser("explain", help="heat maps on your own pictures")
    add = explained.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help="files and folders")
    add(
        "--model",
        default="imagenet",
        help="imagenet (default), torchvision:NAME, timm:NAME or package.module:factory",
    )
    add("--weights", default="", metavar="FILE", help="a .safetensors file")
    add("--classes", default="", metavar="FILE", help="a text file with one class name a line")
    add("--layer", default="auto", help="dotted name (default: the last with a grid)")
    add("--target", nargs="+", default=[], help="names or indices (default: the predicted class)")
    add("--methods", default="grad_cam", help="separated by commas: grad_cam,hires_cam")
    add("--save", default="explained", metavar="FOLDER", help="of the results")
    explained.set_defaults(command=explain)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command; each leaves its function in `command`."""
    parser = argparse.ArgumentParser(
        prog="python -m xaihelpers", description="Learn, check and use class-activation maps."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_data(commands)
    training = commands.add_parser("train", help="train the studies' networks")
    training.add_argument("study", nargs="?", help="fundus, chest_xray, scenes or language")
    training.add_argument("arch", nargs="?", help="for example vgg19 (default: all of the study)")
    _add_run_options(training)
    _add_skip_bad(training)
    training.set_defaults(command=train)
    everything = commands.add_parser("reproduce", help="the whole run, into results/")
    _add_run_options(everything)
    _add_skip_bad(everything)
    everything.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NN",
        help="these chapters alone, by number (all else runs as ever)",
    )
    everything.set_defaults(command=reproduce)
    stored = commands.add_parser("notebooks", help="execute the chapters and store them in place")
    stored.add_argument("names", nargs="*", help="numbers or names (default: all)")
    stored.set_defaults(command=notebooks)
    _add_explain(commands)
    _add_measure(commands)
    _add_claims(commands)
    _add_sweep(commands)
    exported = commands.add_parser("export", help="a network as ONNX, with the maps of all classes")
    exported.add_argument("name", help="imagenet, or a setup's network such as fundus:vgg19")
    exported.add_argument("--to", required=True, metavar="FILE.onnx")
    exported.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="of the stored weights; arithmetic is in fp32 (default: fp32)",
    )
    exported.set_defaults(command=export)
    places = commands.add_parser("badges", help="write the repository's address into the chapters")
    places.set_defaults(command=badges)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command: its exit code; 2 with one line for an error of ours; 130 after Ctrl-C."""
    parser = build_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command is not sweep:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.parameters = rest
    try:
        return arguments.command(arguments)
    except XaiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; run again to resume", file=sys.stderr)
        return 130
