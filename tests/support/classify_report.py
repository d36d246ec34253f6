"""Report on the classifier, for developers: `python -m tests.support.classify_report DIR_OR_TSV`.

A folder of mails (`*.eml`, also in folders below) is read as bounces. A TSV file has lines of phase, reply and, if they
are known, the expected kind: the words of its third column. Prints a table of the results, and each line.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from service.adapters.smtp.replies import to_reply
from service.model.classifier import Diagnosis, SmtpPhase, classify, classify_report
from service.pipeline.bounces.read import read_report
from service.pipeline.bounces.report import ReportKind


def describe(diagnosis: Diagnosis | None) -> str:
    """Return the result as one word or two: what follows, and whether the mailbox is suppressed."""
    if diagnosis is None:
        return "no bounce"
    if not diagnosis.judged:
        return "unjudged"
    return f"{diagnosis.status.value}{'+suppress' if diagnosis.suppress else ''}"


def of_replies(file: Path) -> Iterator[tuple[str, str, Diagnosis]]:
    """Yield name, expectation and diagnosis of each reply of a TSV file; a line without a phase is its heading."""
    for line in file.read_text(encoding="utf-8").splitlines():
        phase, _, rest = line.partition("\t")
        text, _, expected = rest.partition("\t")
        if phase in set(SmtpPhase):
            reply = to_reply(int(text[:3]), text[4:].encode())
            yield text, expected.partition("\t")[0], classify(reply, SmtpPhase(phase))


def of_mails(folder: Path) -> Iterator[tuple[str, str, Diagnosis | None]]:
    """Yield name, expectation (none) and diagnosis of each mail in a folder."""
    for file in sorted(folder.rglob("*.eml")):
        report = read_report(file.read_bytes())
        recipient = report.recipient(lambda _: False)
        judged = report.kind not in (ReportKind.automatic, ReportKind.complaint)
        text = recipient.diagnostic or report.text
        yield file.name, "", classify_report(recipient.action, recipient.status, text) if judged else None


def main() -> None:
    path = Path(sys.argv[1])
    rows = list(of_mails(path) if path.is_dir() else of_replies(path))
    table = Counter((expected, describe(diagnosis)) for _, expected, diagnosis in rows)
    for (expected, result), count in sorted(table.items()):
        print(f"{count:6} {expected or '-':40} {result}")
    print()
    for name, expected, diagnosis in rows:
        rule = diagnosis.rule if diagnosis else "-"
        reason = diagnosis.reason.value if diagnosis else "-"
        print(f"{describe(diagnosis):18} {reason:24} {rule:32} {expected:32} {name[:120]}")


if __name__ == "__main__":
    main()
