"""Migrations expand; one that takes away or demands says since which migration no code needs it (docs/operations/upgrades.md).

Old and new code run side by side while replicas are replaced, and a way back must be open: what old code reads and
writes has to stay until a migration marked `-- contract: NNNN_name.sql`."""

import re
from pathlib import Path

import pytest

from shared.migrations import Migration, list_migrations

ROOT = Path(__file__).parents[2]
BEFORE_THE_FIRST_RELEASE = {"accounts": 5, "metering": 15, "billing": 2, "notifier": 3}
"""These were applied together, before anybody could run two versions; they never change."""
NOT_SQL = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
CREATED = re.compile(r"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
ALTERED = re.compile(r"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(\w+)", re.IGNORECASE)
TAKES_AWAY = re.compile(
    r"\b(DROP|RENAME|REVOKE|TRUNCATE|SET\s+NOT\s+NULL|(SET\s+DATA\s+)?TYPE)\b", re.IGNORECASE
)
DEMANDS = re.compile(
    r"\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b|\bUNIQUE\s+INDEX\b", re.IGNORECASE
)
DEMANDS_A_VALUE = re.compile(
    r"\bADD\s+(COLUMN\s+)?(?!.*\bDEFAULT\b).*\bNOT\s+NULL\b", re.IGNORECASE | re.DOTALL
)


def statements_that_contract(sql: str) -> list[str]:
    """Of tables that the same file creates nobody needs anything yet."""
    bare = NOT_SQL.sub(" ", sql)
    own = set(CREATED.findall(bare))
    return [
        " ".join(each.split())
        for each in bare.split(";")
        if not own & set(ALTERED.findall(each)) and _contracts(each)
    ]


def _contracts(statement: str) -> bool:
    if re.match(r"\s*CREATE\s+(TABLE|TYPE|OR\s+REPLACE|FUNCTION|VIEW|TRIGGER)", statement, re.IGNORECASE):
        return False
    parts = statement.split(",") if ALTERED.search(statement) else [statement]
    return any(TAKES_AWAY.search(p) or DEMANDS.search(p) or DEMANDS_A_VALUE.search(p) for p in parts)


def wrong_in(migrations: list[Migration], released: int) -> list[str]:
    """What is wrong with those numbered above `released`."""
    names = [each.name for each in migrations]
    wrong = []
    for place, each in enumerate(migrations):
        if int(each.name[:4]) <= released:
            continue
        if (found := statements_that_contract(each.sql)) and each.safe_for is None:
            wrong.append(f"{each.name}: `{found[0]}` needs a line `-- contract: NNNN_name.sql`")
        if each.safe_for is not None and each.safe_for not in names[:place]:
            wrong.append(f"{each.name}: there is no earlier {each.safe_for}")
    return wrong


@pytest.mark.parametrize("service", BEFORE_THE_FIRST_RELEASE)
def test_what_takes_away_names_the_step_that_made_it_needless(service: str) -> None:
    migrations = list_migrations(ROOT / "services" / service / "migrations")
    assert wrong_in(migrations, BEFORE_THE_FIRST_RELEASE[service]) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE old;",
        "ALTER TABLE a DROP COLUMN b;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "ALTER TABLE a ALTER b TYPE bigint;",
        "ALTER TABLE a ADD COLUMN b text DEFAULT '', ADD COLUMN c text NOT NULL;",
        "ALTER TABLE a ADD CONSTRAINT positive CHECK (b > 0);",
        "CREATE UNIQUE INDEX once ON a (b);",
        "REVOKE INSERT ON a FROM accounts;",
        "CREATE TABLE mine (a int);\nALTER TABLE theirs DROP COLUMN b;",
    ],
)
def test_the_rule_sees(sql: str) -> None:
    marked = f"-- contract: 0001_a.sql\n{sql}"
    unmarked = [Migration("0001_a.sql", "SELECT 1;"), Migration("0002_b.sql", sql)]
    assert len(wrong_in(unmarked, released=1)) == 1
    assert wrong_in([unmarked[0], Migration("0002_b.sql", marked)], released=1) == []
    assert len(wrong_in([Migration("0002_b.sql", marked)], released=1)) == 1, "names what is not there"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT 'DROP TABLE x';",
        "ALTER TABLE a ADD COLUMN b text;  -- the old one is to be DROPped later",
        "CREATE TABLE a (b text NOT NULL UNIQUE); ALTER TABLE a ADD CONSTRAINT c CHECK (b <> '');",
        "CREATE INDEX quick ON a (b);",
        "CREATE OR REPLACE VIEW v AS SELECT 1 AS one;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE x $$;",
        "GRANT SELECT ON a TO accounts;",
    ],
)
def test_what_only_adds_needs_no_mark(sql: str) -> None:
    assert wrong_in([Migration("0002_b.sql", sql)], released=1) == []
