"""python -m deploy.local run|up|down|status|logs|dev|env|key|mail-test|parked|replay|audit|reconcile: the system without containers (see the Makefile)."""

import errno
import os
import sys

from deploy.local.commands.audit import audit
from deploy.local.commands.bus import bus
from deploy.local.commands.composed import composed, is_composed
from deploy.local.commands.dev import dev
from deploy.local.commands.down import down
from deploy.local.commands.env import env
from deploy.local.commands.key import key
from deploy.local.commands.logs import logs
from deploy.local.commands.mail_test import mail_test
from deploy.local.commands.reconcile import reconcile
from deploy.local.commands.run import run
from deploy.local.commands.status import status
from deploy.local.commands.up import up
from deploy.local.failures import LocalFailure
from deploy.local.settings import ROOT, load_settings

USAGE = "usage: python -m deploy.local env [PLACE] | run | up | down | status | logs | dev SERVICE | key EMAIL | mail-test TO | parked | replay [SERVICE [EVENT]] | audit | reconcile"
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["env"]:
        return env(ROOT, *arguments[1:])
    settings = load_settings(os.environ)
    if is_composed(arguments[0] if arguments else "", os.environ):
        return composed(settings, *arguments)
    match arguments:
        case ["run"]:
            return run(settings, how_to_stop="Ctrl-C")
        case ["run", "in-background"]:
            return run(settings, how_to_stop="`make down`")
        case ["up"]:
            return up(settings)
        case ["down"]:
            return down(settings)
        case ["status"]:
            return status(settings)
        case ["logs"]:
            return logs(settings, os.environ)
        case ["dev", service]:
            return dev(settings, service)
        case ["parked" | "replay", *_]:
            return bus(settings, *arguments)
        case ["audit"]:
            return audit(settings)
        case ["reconcile"]:
            return reconcile(settings)
        case ["key", email]:
            return key(settings, email)
        case ["mail-test", recipient]:
            return mail_test(settings, recipient)
    raise LocalFailure(USAGE)


def _sentence(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'while writing'}): free some space and start again."
    return f"{error.filename or 'The system'}: {error.strerror or error}."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LocalFailure as failure:
        sys.exit(str(failure))
    except OSError as error:
        sys.exit(_sentence(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
