"""doctor: what is wrong with this host, and with --repair put right."""

from __future__ import annotations

import sys

from linkspan.cli import json_text
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options
from linkspan.insight import checkup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.client import Client

WRONG, UNKNOWN = 1, 2


def _doctor(options: Options, client: Client) -> int:
    repair = options.on("repair")
    try:
        found = client.post("/linkspan/doctor/repair") if repair else client.get("/linkspan/doctor")
    except ClientError as error:
        print(error, file=sys.stderr)
        return UNKNOWN
    print(json_text.pretty(found) if options.on("json") else checkup.report(found, repair))
    return WRONG if checkup.wrong(found) else 0


DOCTOR = Command(
    "doctor",
    "[OPTIONS]",
    "Compare this host with the records, and put it right",
    _doctor,
    (
        Flag(
            "repair", "Put right what is wrong: make what is missing, remove what belongs to nothing", "bool"
        ),
        Flag("json", "Print the findings as JSON", "bool"),
    ),
    examples="linkspan doctor\nlinkspan doctor --repair\n\nThe exit code is 0 when all is well (or has been"
    " repaired), 1 when something\nis wrong, 2 when the daemon could not be asked.",
    maximum=0,
)
