"""Explore a system or a loss of yours in the browser, with sliders."""

from __future__ import annotations

import argparse

from dynsim.cli.arguments import add_making, add_run, add_states


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim explore`."""
    parser.add_argument(
        "what",
        metavar="SYSTEM|LOSS",
        nargs="?",
        help="a name from `dynsim list`, method:NAME, or a loss such as '(phi*theta - sg(theta))^2/2'; default: toy",
    )
    parser.add_argument("--field", metavar="EQUATIONS", help="equations instead: \"x' = y; y' = -sin(x)\"")
    add_states(parser)
    parser.add_argument("--branch", choices=("stop", "full", "target"), default="stop", help="default: stop")
    parser.add_argument("--variant", help="a published variant of a system")
    parser.add_argument("--structure", metavar="NAME=N,…", action="append", default=[], help="of a system: k=3, L=4")
    add_making(parser)
    parser.add_argument(
        "--set",
        dest="parameters",
        metavar="NAME=VALUE,…",
        action="append",
        default=[],
        help="parameters: numbers, or expressions in the flow time t",
    )
    add_run(parser, t_end=30.0)
    parser.add_argument("--time", choices=("linear", "log"), default="linear", help="time axes; default: linear")
    parser.add_argument("--plane", metavar="X,Y", help="states on the axes of the phase plane")
    parser.add_argument("--more", metavar="A:B;…", help="further orbits, one start each")
    parser.add_argument("--compare", action="store_true", help="the runs of all branches from the one start")
    parser.add_argument("--restore", metavar="TEXT", help="a state as the explorer's 'Copy state' gives it")
    parser.add_argument("--html", metavar="FILE", help="write the view as one HTML file instead of serving it")
    parser.add_argument("--port", type=int, help="default: the first free one from 8866")
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on; default: this computer only")
    parser.add_argument("--max-sessions", type=int, default=8, help="visitors at a time; default: 8")
    parser.add_argument(
        "--idle", type=float, default=30.0, metavar="MINUTES", help="after which a place is free again; default: 30"
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="default: light")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or write a page."""
    from dynsim.cli.output import check_out
    from dynsim.errors import missing_extra

    check_out("--html", args.html, (".html",))
    setting = _setting(args)
    if args.html is not None:
        from dynsim.pages.live_page import write_live_page

        print(write_live_page(setting, args.html))
        return 0
    try:
        from dynsim.explorer.serving.server import serve
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package == "dynsim":
            raise
        raise missing_extra(package, "notebooks", "the explorer's pages") from error
    serve(
        setting,
        port=args.port,
        ip=args.ip,
        max_sessions=args.max_sessions,
        idle_minutes=args.idle,
        theme=args.theme,
        open_browser=not args.no_browser,
        ready=lambda url: print(f"dynsim explorer: {url}  (Ctrl-C ends it)", flush=True),
    )
    return 0


def _setting(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Setting that the options describe, checked before any server starts."""
    from urllib.parse import quote

    from dynsim.cli.arguments import assignments, made_of, words_or_numbers
    from dynsim.errors import bad
    from dynsim.explorer.setting import Setting
    from dynsim.explorer.short_text import from_text
    from dynsim.explorer.sources import METHOD
    from dynsim.explorer.subject import filled

    if args.restore is not None:
        return filled(from_text(args.restore))
    if args.field is not None and args.what is not None:
        raise bad("--field", args.field, "equations, or a system or loss, not both")
    knobs: dict[str, object] = {}
    if str(args.what).startswith(METHOD):  # its knobs may be words
        knobs, args.structure = words_or_numbers("--structure", args.structure), []
    more = from_text(f"more={quote(args.more)}").more if args.more else ()
    setting = Setting(
        args.field or args.what or "toy",
        _names(args.states),
        args.branch,
        args.variant,
        assignments("--initial", args.initial),
        assignments("--set", args.parameters, timed=True),
        args.t_end,
        args.time,
        _names(args.plane),
        more,
        {**made_of(args), **knobs},
        args.compare,
    )
    return filled(setting)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple((text or "").replace(",", " ").split()) or None
