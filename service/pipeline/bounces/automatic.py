"""Recognition of messages that come to a return address and are no bounce.

Absence notes (RFC 3834), read receipts (RFC 8098), challenges, and reports on TLS (RFC 8460) and DMARC (RFC 7489). A
real bounce may carry `Auto-Submitted: auto-replied` too, so that alone proves nothing.
"""

import re

from service.pipeline.bounces.mime import Part, decode_words

_REPORT_TYPES = {"disposition-notification": "read_receipt", "tlsrpt": "tls_report"}
_PART_TYPES = {
    "message/disposition-notification": "read_receipt",
    "message/global-disposition-notification": "read_receipt",
    "application/tlsrpt+json": "tls_report",
    "application/tlsrpt+gzip": "tls_report",
}
_RESPONDER_FIELDS = frozenset(
    {
        "x-autoreply", "x-auto-reply", "x-autoreply-from", "x-autorespond", "x-autoresponder", "x-mail-autoreply",
        "x-autoreply-domain", "x-vacation", "x-ms-exchange-inbox-rules-loop", "x-tmda-fingerprint", "x-facsimile-reply",
    }
)  # fmt: skip
_AWAY = re.compile(r"vacation|holiday|absen|away|out.of|oof\b|responder|leave", re.IGNORECASE)
_AWAY_SUBJECT = re.compile(
    r"^auto:|\bauto(?:matic|matically|mated|matische[rs]?)?[ -]?(?:generated )?(?:repl|respon|antwort|answer|réponse)"
    r"|out of (?:the |my )?office|\booo\b|\bvacation\b|on (?:annual |sick |maternity |parental )?(?:holiday|leave)"
    r"|\baway (?:until|from|till|on)\b|abwesen|nicht im (?:büro|haus)|(?:réponse|message) automatique|absence du bureau"
    r"|notification d.absence|respuesta autom|fuera de la oficina|resposta autom|fora do escrit|risposta autom"
    r"|fuori (?:sede|ufficio)|automatisch antwoord|afwezig|auto(?:matiskt|matisk|maattinen) (?:svar|vastaus)|frånvar"
    r"|odpowiedź autom|nieobecn|automatická odpov|mimo kancel|otomatik yanıt|автоответ|автоматический ответ"
    r"|自動(?:応答|返信)|不在|自动(?:回复|答复)|自動回覆|자동 ?(?:응답|회신)",
    re.IGNORECASE,
)
_CHALLENGE = re.compile(
    r"(?:confirm|verif)\w* (?:that )?(?:you|your (?:e-?mail|message|identity|address))|challenge[ /-]response"
    r"|sender (?:confirmation|verification) (?:required|request)"
    r"|(?:reply|click).{0,60}to (?:be )?(?:confirm|verif|deliver)",
    re.IGNORECASE,
)
_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|postmaster|mail ?deliver|mail[-_. ]?system|mdaemon|mailmaster|\bbounce|non.?delivery"
    r"|system.?administrator|mail.?admin|deliver\w* sub|noreply-dmarc|internet mail",
    re.IGNORECASE,
)
_RETURNED_SUBJECT = re.compile(
    r"undeliver|not deliver|deliver\w{0,3}.{0,30}(?:fail|status|problem|error|report|notif|delay|impossible|unable)"
    r"|fail\w*.{0,30}(?:deliver|notice|mail|message|notif)|return(?:ed|ing).{0,20}(?:mail|message|sender)|mail.{0,10}return"
    r"|non.?deliver|bounce|could ?n.t (?:be )?(?:send|sent|deliver)|(?:un|not )able to (?:send|deliver)|reject|refus"
    r"|mail (?:error|problem|system)|warning: (?:message|could not)|delayed|unzustell|rückläufer|fehlgeschlagen"
    r"|unbekannt|échec|non.remis|impossible de remettre|no (?:se ha )?(?:podido )?entreg|devuelto|devolvid|falha"
    r"|mancat|recapit|недостав|не доставлен|配信|配送|不達|エラー|返送|退信|退回|投递|無法|반송"
    r"|niet.{0,10}(?:bezorg|afgelever)"
    r"|niedostarcz|zwrot|nedoruč|kunde inte|kunne ikke",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"\s{0,9}(?:re|aw|sv|vs|antw|odp|res|ref|rif|ynt|回复|答复)\s{0,3}[:：]", re.IGNORECASE)
_NOT_DELIVERED = re.compile(
    r"(?:could|can) ?n.t (?:be )?deliver|not (?:be )?delivered|undeliver|unable to deliver|deliver\w* (?:has )?failed"
    r"|failed to deliver|(?:mail ?box|inbox|quota)\b.{0,40}(?:full|exceed)"
    r"|(?:user|recipient|address|mailbox)\b.{0,40}(?:unknown|does not exist|not found)",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?<![\d.])5\d\d[ -]{1,3}#?5\.\d\.\d|\(#5\.\d\.\d\)|<<< 5\d\d[ -]|RCPT TO:", re.IGNORECASE
)


def other_report(message: Part) -> str:
    """Return the kind of a machine's report that is no bounce, such as `read_receipt`; empty for any other message."""
    kind = _REPORT_TYPES.get(message.parameters.get("report-type", "").lower(), "")
    for part in message.walk():
        kind = kind or _PART_TYPES.get(part.content_type, "")
    subject = decode_words(message.get("subject")).lower()
    if not kind and subject.lstrip().startswith("report domain:"):
        return "dmarc_report"
    if kind == "read_receipt" and re.search("reject|refus", f"{message.get('auto-submitted')} {subject}"):
        return ""  # Dovecot and Sieve (RFC 5429 section 2.2) refuse a message after delivery in the form of a receipt
    return kind


def is_away_note(message: Part, text: str) -> bool:
    """Return whether a message says that it is an absence note or a challenge."""
    subject = decode_words(message.get("subject"))
    submitted, precedence = message.get("auto-submitted").lower(), message.get("precedence").lower()
    return bool(
        any(name in _RESPONDER_FIELDS for name, _ in message.fields)
        or (submitted.startswith("auto-") and _AWAY.search(submitted))
        or precedence.replace("-", "_").startswith("auto_reply")
        or "vacation" in message.get("x-apple-action").lower()
        or "mailbox rules agent" in message.get("x-ms-exchange-generated-message-source").lower()
        or "vacation" in message.get("x-mailer").lower()
        or _AWAY_SUBJECT.search(subject)
        or (_CHALLENGE.search(f"{subject}\n{text[:2000]}") and not _DAEMON.search(_sender(message)))
    )


def speaks_of_absence(text: str) -> bool:
    """Return whether a letter begins with the words of an absence note: some programs set no field for it."""
    return _AWAY_SUBJECT.search(text[:300]) is not None


def is_from_program(message: Part) -> bool:
    """Return whether a program sent the message (RFC 3834 section 5), for whatever cause."""
    submitted, precedence = message.get("auto-submitted").lower(), message.get("precedence").lower()
    return bool(submitted and not submitted.startswith("no")) or precedence in ("bulk", "junk", "list")


def looks_like_bounce(message: Part, text: str) -> bool:
    """Return whether sender, subject, type or text are those of a bounce: only then its words are judged."""
    subject = decode_words(message.get("subject"))
    returns = message.get("return-path").replace(" ", "") == "<>" or any(
        part.content_type.startswith("message/") for part in message.parts
    )
    return bool(
        message.content_type == "multipart/report"
        or message.get("x-failed-recipients")
        or _DAEMON.search(_sender(message))
        or (not _ANSWER.match(subject) and _RETURNED_SUBJECT.search(subject))
        or _REPLY.search(text)
        or (returns and not is_from_program(message) and _NOT_DELIVERED.search(text))
    )


def _sender(message: Part) -> str:
    return decode_words(message.get("from"))[:500]
