#!/usr/bin/env python3
"""Does a deployment do what it sells? Registers somebody of its own, uses the API, looks at the balance, deletes them.

python3 scripts/smoke-test.py --url https://promptlyapi.com     (SMOKE_API_KEY, ADMIN_KEY in the environment or .env)
Standard library only. 0: all is well; 1: something is not, the table says what; 2: it was called wrongly.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from smoke.checks import Smoke, checks_of
from smoke.site import LeftOut, Site, Wrong

DEFAULT_URL = "http://100.64.0.1:8505"
ENV_FILE = Path(__file__).resolve().parents[1] / ".env"
ROW = "{:<26}{:<10}{:>8}  {}"


def main(arguments: Sequence[str]) -> int:
    options = read(arguments)
    admin_key = options.admin_key or os.environ.get("ADMIN_KEY") or admin_key_of(ENV_FILE)
    with closing(Site(options.url, options.verbose)) as site:
        smoke = Smoke(site, admin_key, os.environ.get("SMOKE_API_KEY", ""))
        checks = checks_of(smoke)
        if options.skip_rate_limit:
            del checks["rate limit"]
        return make(smoke, checks)


def make(smoke: Smoke, checks: Mapping[str, Callable[[], str]]) -> int:
    print(f"{smoke.site.url}\n")
    print(ROW.format("check", "result", "seconds", "seen"))
    results = [run(name, check) for name, check in checks.items()]
    failed, left_out = results.count("FAIL"), results.count("left out")
    if smoke.registered and not smoke.cleaned:
        print(f"\n{smoke.email} was registered and is still there: delete it in the panel.")
    said = f"{failed} of {len(results)} checks failed" if failed else "all is well"
    print(f"\n{said[0].upper()}{said[1:]}" + (f", {left_out} left out (see above)." if left_out else "."))
    return 1 if failed else 0


def run(name: str, check: Callable[[], str]) -> str:
    """Its result, after its row."""
    began = time.monotonic()
    try:
        result, seen = "ok", check()
    except LeftOut as reason:
        result, seen = "left out", str(reason)
    except Wrong as wrong:
        result, seen = "FAIL", str(wrong)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        result, seen = "FAIL", f"an answer of another shape: {type(error).__name__}: {error}"
    print(ROW.format(name, result, f"{time.monotonic() - began:.2f}", seen), flush=True)
    return result


def read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="smoke-test.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default=DEFAULT_URL, type=url, help=f"where it is (default {DEFAULT_URL})")
    parser.add_argument("--admin-key", default="", help="default: $ADMIN_KEY, or ADMIN_KEY in .env")
    parser.add_argument("--skip-rate-limit", action="store_true", help="send no 61 requests in a row")
    parser.add_argument("--verbose", action="store_true", help="each request, on standard error")
    return parser.parse_args(arguments)


def url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as {DEFAULT_URL}")
    return text.rstrip("/")


def admin_key_of(env_file: Path) -> str:
    """As .env has it, or the file that `make secrets` moved it to; empty where there is none."""
    moved_to = env_file.parent / (setting(env_file, "SECRETS_FOLDER") or "secrets") / "ADMIN_KEY"
    return setting(env_file, "ADMIN_KEY") or text_of(moved_to).strip()


def setting(path: Path, name: str) -> str:
    """Without quotes."""
    values = [line.partition("=")[2] for line in text_of(path).splitlines() if line.startswith(f"{name}=")]
    return values[-1].strip().strip("'\"") if values else ""


def text_of(path: Path) -> str:
    """Empty where there is none, or none for this user."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
