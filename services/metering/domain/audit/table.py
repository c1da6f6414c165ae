"""The report of an audit as text: a table with counts, then each difference by name."""

from collections.abc import Iterator

from services.metering.domain.audit.findings import TITLES, Report, Result

ALL_WELL = 0
DIFFERENCES = 1
NOT_ALL_CHECKED = 2


def exit_code(report: Report) -> int:
    """A difference is worse than not knowing."""
    if report.differences:
        return DIFFERENCES
    return ALL_WELL if report.is_whole else NOT_ALL_CHECKED


def as_table(report: Report) -> str:
    return "\n".join([*_rows(report), *_notes(report), *_differences(report), "", _verdict(report)])


def _rows(report: Report) -> Iterator[str]:
    width = max(map(len, TITLES.values()))
    yield f"{'':4}  {'check':<{width}}  {'looked at':>12}  {'differ':>7}"
    for check, result in report.results.items():
        yield (
            f"{check:<4}  {TITLES[check]:<{width}}  {result.examined:>12,}  {result.differences:>7,}"
            f"{_remark(result)}"
        )


def _remark(result: Result) -> str:
    return f"  not checked: {'; '.join(result.not_checked)}" if result.not_checked else ""


def _notes(report: Report) -> Iterator[str]:
    notes = [(check, result.note) for check, result in report.results.items() if result.note]
    if notes:
        yield ""
    yield from (f"{check}: {note}" for check, note in notes)


def _differences(report: Report) -> Iterator[str]:
    for check, result in report.results.items():
        if result.findings:
            yield ""
        yield from (f"{check}  {each.subject}: {each.text}" for each in result.findings)
        if (more := result.differences - len(result.findings)) > 0:
            yield f"{check}  and {more:,} more"


def _verdict(report: Report) -> str:
    undone = [check for check, result in report.results.items() if result.not_checked]
    found = _counted(report.differences)
    if undone:
        return f"{found}. Not all was checked: {', '.join(undone)}."
    return f"{found}. All was checked."


def _counted(differences: int) -> str:
    match differences:
        case 0:
            return "No difference"
        case 1:
            return "1 difference"
        case _:
            return f"{differences:,} differences"


def as_figures(report: Report) -> dict[str, dict[str, int]]:
    """Per check, for metrics and for whoever keeps results."""
    return {
        check: {
            "examined": result.examined,
            "differences": result.differences,
            "not_checked": int(bool(result.not_checked)),
        }
        for check, result in report.results.items()
    }
