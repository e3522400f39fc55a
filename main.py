"""Skipscope: parse the arguments, then open the window or run a command in the terminal."""

import importlib
import os
import sys
from collections.abc import Sequence

# a second net under the one place that opens foreign weights
os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
# OpenMP's threads spin for milliseconds while they wait for one another: where something else wants a core, a
# step then takes 20 times as long. Asleep at once, they take longer to wake than many operations last. So they
# spin for a thousand turns first: at width 16 two cores train half as fast again (measured; ARCHITECTURE.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from core.allocator import keep_freed_memory
from core.headless.arguments import COMMANDS, parse_command, parse_window
from core.notices import SkipscopeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code (0, 1: a goal is missed, 2: bad input, 130: interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    keep_freed_memory()
    try:
        if words and words[0] in COMMANDS:
            return _command(words)
        from gui.app import run

        return run(parse_window(words))
    except SkipscopeError as error:
        sys.stderr.write(f"skipscope: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _command(words: list[str]) -> int:
    options = parse_command(words)
    if options.command in ("demo", "bench"):
        module = importlib.import_module(f"gui.{options.command}")
    else:
        module = importlib.import_module(f"core.headless.{options.command}")
    return int(module.command(options))


if __name__ == "__main__":
    sys.exit(main())
