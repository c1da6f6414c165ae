"""Receipt numbers: sequential and without a gap inside a year, as tax authorities expect."""


def receipt_number(year: int, number: int) -> str:
    return f"{year}-{number:06d}"
