# ruff: noqa: E501 - a rule of the table stays on one line
"""The table of refusals: phase, code, enhanced code and words → who is at fault and what follows. The first match decides.

The order is the rule. Words about the rate, our reputation, our sender and our account come before the codes of a
mailbox, which servers reuse for them; words about a mailbox come before the codes of a policy. A vague code is last.

Sources: RFC 5321 section 4.2 (reply codes), RFC 3463 section 3 and the IANA registry of RFC 5248 (enhanced codes), the
sections named beside the rules, and the words that servers and large providers use.
"""

import re
from dataclasses import dataclass
from typing import TypedDict, Unpack

from service.model.classifier.diagnosis import Certainty, Fault, RelayEffect, SmtpPhase
from service.model.mail import SendStatus
from service.model.reasons import Reason, ResultReason, SendReason

_MINUTE_S, _HOUR_S = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: it matches when everything that it names matches. Enhanced codes are without their class.

    `on_5xx` and `on_4xx`: the status for each class. `suppress` holds for a permanent refusal, `scores` for both.
    """

    name: str
    fault: Fault
    reason: ResultReason
    words: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    code: re.Pattern[str] | None = None
    enhanced: re.Pattern[str] | None = None
    phases: frozenset[SmtpPhase] = frozenset()
    certainty: Certainty = Certainty.certain
    on_5xx: SendStatus = SendStatus.bounced
    on_4xx: SendStatus = SendStatus.deferred
    suppress: bool = False
    scores: bool = False
    wait_s: float | None = None
    effect: RelayEffect = RelayEffect.none


class _Follows(TypedDict, total=False):
    certainty: Certainty
    on_5xx: SendStatus
    on_4xx: SendStatus
    suppress: bool
    scores: bool
    wait_s: float | None
    effect: RelayEffect


def _rule(
    name: str, fault: Fault, reason: ResultReason, words: str = "", *phases: SmtpPhase, code: str = "", enhanced: str = "",
    unless: str = "", **follows: Unpack[_Follows],
) -> Rule:  # fmt: skip
    """Compile a row. `code`: "." is any digit. `enhanced`: codes without their class, "?" is any digit, "*" any detail."""
    globs = enhanced.replace(".", r"\.").replace("?", r"\d").replace("*", r"\d{1,3}").split()
    return Rule(
        name, fault, reason,
        re.compile(words) if words else None,
        re.compile(unless) if unless else None,
        re.compile(code) if code else None,
        re.compile("|".join(globs)) if globs else None,
        frozenset(phases), **follows,
    )  # fmt: skip


# The words, in lower case and without accents: what a server says in many ways, and in the languages of large providers.
# Each gap between two words has a bound.

_OUR_ACCOUNT = (
    r"your (?:\w{1,12} ){0,2}(?:account|subscription|mailbox|plan) (?:\w{1,12} ){0,4}(?:suspend|disabl|block|lock|limit|restrict|deactivat|terminat|expire|not active|inactive|under review|on hold|closed)\w*|"
    r"sending (?:\w{1,12} ){0,3}(?:not permitted|not allowed|disabled|suspended|paused|blocked|is restricted)|(?:not|no longer) (?:permitted|allowed|authori[sz]ed|able) to send (?:e-?mails?|messages?|any|mail)\b(?! (?:to|as|from|using) )|"
    r"(?:maximum|insufficient|out of|exceeded|no more|not enough) (?:\w{1,12} ){0,2}credits?|credits? (?:exceeded|exhausted|limit)|(?:sending|account|domain|service|user|smtp|api|tenant|sub-?account) (?:has been |is |was )?(?:\w{1,12} )?(?:suspended|paused|disabled|shut down) (?:for|from|due to|because of) (?:\w{1,12} ){0,3}(?:send|bounce|complain|abuse|spam|non-?payment|policy)|"
    r"sending paused|bad outbound sender|restricted entity|payment required|trial (?:period|account)|(?:reactivate|upgrade) your (?:account|plan)|account is not (?:active|activated|enabled|approved|verified)|(?:tenant|client|organi[sz]ation) (?:\w{1,12} ){0,3}blocked from sending"
)
_OUR_QUOTA = (
    r"tenant (?:\w{1,12} ){0,3}(?:exceed|threshold|limit)\w*|(?:daily|hourly|monthly|weekly) (?:\w{1,12} ){0,3}(?:quota|limit|allowance|volume)|sending (?:rate|quota|limits?)\b|message (?:quota|limit) exceeded|"
    r"(?:you(?:r account| have|'ve)? (?:has |have )?(?:\w{1,12} ){0,2}(?:exceeded|reached)) (?:\w{1,12} ){0,6}(?:limit|quota|messages|emails|rate)|(?:sender|user|account|client|domain|sending) (?:\w{1,12} ){0,4}exceeded (?:\w{1,12} ){0,6}(?:per (?:hour|day|minute|month|second)|emails|messages|recipients)(?! (?:they|it) can receive)|"
    r"sender (?:\w{1,12} ){0,2}frequency|sending frequency|maximum sending rate|mails? per (?:hour|day|session)|ratelimit on sender"
)
_NOT_OURS = (
    r"not owned by|sendasdenied|send[- ]as(?: |denied|permission|right)|send on behalf|(?:not|n't) (?:have )?(?:the )?(?:permissions?|permitted|allowed|authori[sz]ed|right) to (?:send|use|submit) (?:\w{1,12} ){0,3}(?:as|from|using|with|on behalf|this|that|<addr>)|"
    r"(?:not|n't|un)[ -]?verified[^.;]{0,40}(?:identity|identities|address|sender|domain|from)|(?:identity|identities|sender|domain|from|from address|email address|address|addresses) (?:\w{1,12} ){0,4}(?:is|are|was|were|has|have)? ?(?:not|n't|never|un)[ -]?(?:been )?verified|"
    r"sender (?:address |identity |domain |<addr>:? )?(?:\w{1,12} ){0,4}(?:is |was )?not (?:\w{1,12} ){0,1}(?:verified|authori[sz]ed|permitted|allowed|registered|confirmed|known|match\w*)|sender signature|does not match a verified|(?:from|sender|envelope)(?: \w{1,12}){0,3} (?:does not|doesn't|must|should) (?:be the same|match|equal|belong)[^.;]{0,30}(?:user|login|account|auth|sasl)|not logged in|unregistered (?:sender|domain)|sender must be"
)
_AUTHENTICATE = r"authenticat\w* (?:\w{1,12} ){0,2}(?:is |are |was )?(?:required|needed|failed|failure|first|credentials|unsuccessful|denied)|(?:requires?|must|need to|have to|please|without|not|isn't|be|been) (?:\w{1,12} ){0,2}(?:authenticat\w*|log ?in|sign in)\b|unauthenticated (?:client|connection|user|senders? (?:not|are))|smtp[- ]auth\b|pop[- ]before[- ]smtp|(?:username|password|credentials|login) (?:and|or|is|are|was|were|not|incorrect|invalid|failed|wrong)[^.;]{0,30}|bad credentials"
_TLS = r"must issue (?:a )?starttls|starttls (?:is )?(?:required|first|needed)|(?:tls|ssl|encrypt\w*)(?: \w{1,12}){0,3} (?:is |are )?(?:required|mandatory|needed)|requires? (?:\w{1,12} ){0,3}(?:tls|encryption|encrypted|secure connection)\b"
_RESTRICTED = (
    r"resolver\.rst\.|(?:authenticat\w*|smtp auth)[^.;]{0,40}(?:for|to) (?:this|the) (?:recipient|mailbox|address|user|group|list|distribution)|"
    r"(?:recipient|mailbox|group|list|address|user)s?(?: \w{1,12}){0,3} (?:only|is only|are only|is restricted|restricted|not accepting|is not accepting|only accepts?|accepts? only|has restricted|refuse[sd]?|rejects?)(?: \w{1,12}){0,4} (?:e-?mails?|mails?|messages?|from|senders?)\b|"
    r"(?:blocked|refused|rejected|denied) by (?:the )?(?:recipients?|user|addressee)\b|recipient'?s? (?:preferences|filters?|rules?|block ?list|white ?list|safe ?list)|user (?:rules?|reject|refuses)|not subscribed|members[- ]only|non-?members?|only (?:members|subscribers|accept\w* mail from)|moderat(?:ed|or)|not allowed to (?:send|post) (?:\w{1,12} ){0,2}to (?:this|the|<addr>)|"
    r"(?:permission|permitted|allowed|authori[sz]ed) to (?:send|post|e-?mail|write)(?: \w{1,12}){0,3} to (?:this|the|that|<addr>)|blocked your (?:address|mail)|user entry"
)
_HELO = r"(?:h|e)h?elo (?:\w{1,12} ){0,3}(?:command |name |domain |host\w* |argument |string )?(?:\w{1,12} ){0,2}(?:reject|invalid|refus|denied|listed|bad|fail|block|not|must|does|mismatch|required|needs?|need|is in|forg|spoof)\w*|(?:bad|invalid|forged|fake|suspicious|illegal|missing|wrong|no) (?:h|e)h?elo|(?:helo|ehlo) (?:command )?rejected|need (?:a )?(?:fully[- ]qualified|fqdn) host\w*|you are not (?:localhost|<ip>|me)|(?:in|your|the|for) (?:helo|ehlo)\b"
_POINTER = r"\bptr\b|reverse[- ]?dns|\brdns\b|reverse (?:lookup|name|hostname|resolution|record)|no (?:reverse|hostname|host name) |cannot find your (?:\w{1,12} )?host\w*|forward[- ]confirmed|fcrdns|generic (?:hostname|rdns|name)|dynamic (?:ip|address|host|pool)|dial-?up|residential|dul\b|hosts? with dynamic|unresolvable (?:relay )?host|name lookup fail\w*|valid sender domain|dns (?:a|mx|name) ?(?:/ ?\w{1,5} )?(?:or \w{1,5}(?:/\w{1,5})? )?resource record|matches to nameserver"
_REPUTATION = (
    r"(?:black|block|deny|drop|rbl|ban)[ -]?list\w*|blacklist\w*|spamhaus|spamcop|barracudacentral|cloudmark|senderbase|sender ?score|\b(?:rbl|dnsbl|xbl|pbl|sbl|css)\b|blocked using|(?:reputation)|"
    r"\b(?:ip|client|client host|remote host|sending host|host|hosts|server|servers|network|netblock|connections?|mta|domain of sender|source|subnet|isp|provider|clienthost)(?: address(?:es)?| name)?:? ?\[?(?:<ip>|[\w.:*-]{1,64}(?:\[[\w.:*-]{1,40}\])?)?\]?:? ?(?:\(\S{1,64}\) ?)?(?:\w{1,12} ){0,5}(?:blocked|banned|denied|listed|refused|rejected|bloque\w*|gesperrt|bloccat\w*|bloquead\w*|not (?:be )?(?:accepted|allowed|permitted|welcome))|"
    r"(?:blocked|banned|rejected|refused|denied|deferred|listed|block on) (?:\w{1,12} ){0,4}(?:ip|ips|ip address|host|network|ip-?range|subnet)\b|banned sending ip|(?:messages?|mails?|emails?|traffic|connections?|smtp) from \[?(?:<ip>|x\.xx?\.x\w?\.x\w?|0\.0\.0\.0|your|this|that)\]?(?: \w{1,12}){0,4} (?:not|weren't|wasn't|blocked|deferred|refused|rejected|denied|banned|will be|temporarily|permanently)|permanently deferred|temporarily deferred|not accept\w*(?: \w{1,12}){0,4} from (?:your|this|dynamic|\[?<ip>|hosts?|ip)|part of their network|"
    r"open (?:relay|proxy)|zombie|botnet|snowshoe|too many (?:spam|unwanted|complaints)|(?:user|spam|abuse) complaints|unexpected volume|spam(?:ming)? (?:source|sender|issues|host)|suspect(?:ed)? (?:spam )?(?:sender|spammer)|you are (?:sending|a) spam\w*|(?:ip|adresse ip|indirizzo ip|direccion ip|ip-adresse)[^.;]{0,40}(?:block|bloq|blocc|gesperrt|ban|abuse|spam)\w*|access forbidden|(?:not allowed|refus\w*) to connect|go away|poor|tss0\d|\bbl\d\d\b"
)
_SENDER_CHECK = r"sender verif\w*(?: \w{1,12}){0,2} (?:fail|err|reject)\w*|verification failed for|(?:could not|unable to|cannot|can't|failed to) (?:complete )?(?:\w{1,12} ){0,1}(?:verify|verif\w*|validate)(?: the)? (?:sender|envelope sender|return[- ]path|mail from)|sender verify|call-?(?:out|back|ahead) (?:\w{1,12} ){0,2}fail\w*|sender (?:callout|callback)"
_SENDER = (
    r"(?:bad|invalid|unknown|forged|illegal|malformed|missing|no valid|unrouteable|fake|blocked|denied) (?:envelope |return )?(?:sender|mail from|from address|return[- ]?path|reverse-?path|originator|emetteur)|(?:sender|mail ?from|return[- ]?path|reverse-path|envelope[- ]?from|originator|emetteur|absender\w*|expediteur|mittente|remitente)(?: address| domain| email| id| name| ip| host| identity)?(?: \(?[^ ]{1,64}\)?:?)?(?: \w{1,12}){0,3}:? (?:\w{1,12} ){0,4}(?:reject|refus|denied|invalid|not (?:found|exist|accept|valid|allow|resolv|known|local)|(?:does|do) not (?:exist|resolv)|doesn't exist|blocked|banned|unknown|unresolv|undeliverable|disallow|invalide|non (?:valid|reconnu)|ungultig|listed|restrict|unacceptable|not (?:be )?(?:verified|resolved))\w*|"
    r"domain of (?:the )?sender|sender(?:'s|s)? domain|sending domain|sender domain|mail ?from domain|sender address"
)
_UNAUTHENTICATED = r"\b(?:dmarc|spf|dkim|arc|sender ?id|senderid|domainkeys?)\b|unauthenticated e?-?mail|5\.7\.26|anti-?spoof\w*|spoof(?:ed|ing)"
_RELAYING = r"relay(?:ing)?(?: access|ing| is| was| from| to| mail| through)?(?: \w{1,12}){0,3} ?(?:denied|not (?:permitted|allowed|possible|supported)|prohibited|disallowed|refused|forbidden|rejected)|(?:unable|not (?:permitted|allowed|able)|refuse\w*|don't|do not|cannot|can't|no) (?:to )?relay|as a relay|(?:not an|no) open relay|open relay not allowed|not (?:in )?(?:my|our) list of allowed rcpthosts|isn't in my list of allowed rcpthosts|not a gateway|don't handle mail for|relay not|rcpthosts|not a local domain|not local host|we do not relay|relayage|specified domain is not allowed"
_RATE = (
    r"rate[ -]?(?:limit|control|exceed|thrott)\w*|ratelimit\w*|throttl\w*|too (?:many|much|fast|frequent\w*|quickly|often)|slow(?:er)?[ -]?down|try again slower|receiv\w* (?:\w{1,12} ){0,2}(?:at a rate|too quickly|too fast|too many|large number)|at a rate that|"
    r"exceed\w* (?:\w{1,12}[ -]){0,8}(?:per (?:hour|minute|day|second|sender|domain|recipient)|rate|number of (?:messages|recipients|connections|mails|emails)|connections?|frequency|receiving limits?)|(?:message|mail|sending|recipient|connection|receiving|delivery|envelope|mailing)s? (?:rate|frequency)\b|frequency limit\w*|(?:rate|connection|hourly|message rate|concurrency|frequency) limit|excessive (?:\w{1,12} ){0,2}(?:volume|rate|connections|messages|traffic|mail)|unusual (?:rate|volume|traffic)|concurren\w*|max\w* (?:number of )?(?:connection|rate|recipient)s?|(?:queue|organi[sz]ation queue) quota|trop de (?:connexions|messages)|zu viele|demasiad[oa]s (?:conexiones|mensajes)|troppe (?:connessioni|mail)|sending limit|limit the number of"
)
_FULL = (
    r"(?:mail ?box|mbox|inbox|mail ?dir|mail ?folder|mailfile|quota|storage|disk|account|postfach|postvak|box)\b[^.;]{0,40}\b(?:full|exceed\w*|over(?: its| the)?(?: allowed| disk| mail)? ?quota|overquota|size limit|at capacity|too large|limit (?:reached|exceeded)|used up|out of space|no space)|(?:full|overfull|overflow\w*) (?:mail ?box|inbox)|(?:over|out of|exceed\w*|above|reached|beyond)(?:[- ]\w{1,12}){0,5}[- ]?(?:quota|storage|disk|capacity)\b|overquota|over-?quota|quota (?:exceed|violation|limit|usage|full|reached)\w*|"
    r"(?:not|in)[ -]?(?:enough|sufficient)(?: \w{1,12}){0,3} (?:space|storage|room)|insufficient (?:disk|mailbox|storage|user)|no (?:space|room) left|space has been used|too many messages (?:on|in)|out of (?:storage|space|disk)|would (?:exceed|be over)|storage allocation|diskspace|"
    r"(?:boite|bal|messagerie)(?: \w{1,12}){0,4} (?:pleine|saturee)|pleine|postfach (?:ist )?(?:voll|uberfullt)|speicherplatz|kontingent|buzon(?: \w{1,12}){0,3} lleno|casella(?: \w{1,12}){0,3} piena|caixa(?: \w{1,12}){0,3} cheia|postvak vol|mailbox vol|skrzynka(?: \w{1,12}){0,3} (?:pelna|przepelniona)|przepelnion|schranka(?: \w{1,12}){0,3} plna|переполнен|почтовы. ящик полон|邮箱已满|空间不足|容量不足|メールボックスか?が?一杯|容量を超え|kutusu dolu"
)
_SIZE = r"(?:message|mail|e-?mail|size|content|attachment|data)s?\b(?: \w{1,12}){0,4} (?:too (?:big|large|long)|exceed\w*(?: \w{1,12}){0,4} (?:size|limit|maximum|length)|larger than|over the (?:size )?limit)|(?:exceed\w*|too|maximum|over|max)(?: \w{1,12}){0,4} (?:message|mail|e-?mail|content|attachment) (?:size|length)|message size|message length|size (?:limit|exceed)\w*|too (?:big|large)\b"
_NOT_MESSAGE_SIZE = r"mail ?box|inbox|quota|storage|mailfile|mail folder"
_LOOP = r"\bloop(?:s|ing|ed)?\b|too many hops|hop ?count|too many received|routing (?:error|loop)|mail is (?:sent|forwarded) (?:and|back)|delivered-to"
_SPAM = r"\bspam\w*|\bjunk\b|unsolicited|\buce\b|\bube\b|\bbulk\b|virus\w*|malware|phish\w*|malicious|trojan|infected|suspicious|suspected|(?:forbidden|banned|prohibited|objectionable|offensive|dangerous|illegal|blocked|denied|inappropriate|unacceptable|bad|suspicious) (?:\w{1,12} ){0,1}(?:content|attachment|file|extension|url|link|word|subject|phrase)\w*|content (?:\w{1,12} ){0,2}(?:reject|denied|not accept|block|filter|presents|refused|policy)\w*|(?:message|mail|e-?mail) (?:\w{1,12} ){0,3}(?:filtered|classified|flagged|identified|considered|looks like|scored)|\bdbl\b|surbl|uribl|illegal attachment|bayes|spamassassin|scored?\b|unwanted|complaints|anzeichen|pourriel|indesirable|malveillant|垃圾|スパム|спам"
_GREY = r"gr[ae]y-?\s?list\w*|postgrey|(?:try|come|retry|come back|deferred)[^.;]{0,16}(?:again )?(?:in|after) (?:about )?\d|first time[^.;]{0,20}sender|temporarily deferred for|early retry|delayed? (?:greeting|acceptance)"
_M = r"(?:user|username|account|mail ?box|recipient|recipients|addressee|(?<!ip )(?<!sender )(?<!from )(?<!source )(?<!your )(?<!return )(?<!client )(?<!host )(?<!sending )(?<!header )address|addresses|person|customer|subscriber|login|alias|maildrop|rcpt|inbox|e-?mail(?: address| account)?|<addr>>?)"
_NO = r"(?:does not|doesn't|do not|don't|did not|didn't|does no longer|no longer|cannot|can't|could not|couldn't|not|is not|isn't|was not|never|nicht|not be|not been)"
_UNKNOWN = (
    _M
    + r"\b[^.;]{0,60}?\b(?:unknown|unallocated|undeliverable|non-?exist\w*|inexist\w*|misspelled|"
    + _NO
    + r" (?:be )?(?:exist\w*|found|known|recogni[sz]ed|valid|listed|present|defined|a (?:known|valid|local|current)|hosted|here|on (?:this|our)|in (?:the |our |my |this |its )?(?:\w{1,12} ){0,2}(?:list|table|directory|database|validrcptto|system))|no longer (?:exists?|valid|available|here|in use|with|on (?:this|our))|invalid|marked as invalid|notfound|is wrong|has been (?:removed|deleted)|was (?:removed|deleted))|"
    r"(?:unknown|no such|invalid|bad destination|undeliverable|nonexistent|non-existent|non-existing|incorrect|wrong|no valid|no active|not a (?:valid|known|local)) (?:\w{1,12} ){0,2}(?:user|username|mail ?box|recipient|recipients|address|account|person|customer|alias|local[- ]part|addressee|e-?mail|rcpt|destination mailbox)|(?:user|recipient|mailbox|account|userid)[-_ ]?(?:unknown|notfound|not[- ]found)|addr(?:ess)?[-_ ]unknown|invalid[-_]recipient|recipientnotfound|recipient ?not ?found|nosuchuser|badrcptto|validrcptto|badrecipientto|"
    r"(?:no|not) (?:a )?(?:mail ?box|account|user|one|person|recipient|addressee)s? (?:\w{1,12} ){0,3}(?:by that name|with that name|at this address|at that address|here|found|available|of that name|by this name|named)|sorry, no mailbox|there is no (?:such |one|user|mailbox|account)|not our (?:customer|user)|(?:user|person|this)\b[^.;]{0,20} doesn't have an? [^.;]{0,60}\baccount|unrouteable address|(?<!sender )<addr>>?:? (?:\w{1,12} ){0,4}(?:is )?no longer valid|name directory|blank mailhost|"
    + _NO
    + r" (?:a )?(?:valid|legal|existing|active) (?:\w{1,12} ){0,2}(?:e-?mail|recipient|user|mailbox|smtp) ?(?:address|account)?|can't accept user|not in recipient list|has moved|user (?:has )?moved|(?:left|no longer (?:works?|employed)|is no longer) (?:\w{1,12} ){0,2}(?:the |our |this |at |with |for )(?:company|organi[sz]ation|us|here)|addresses were unknown|recipient (?:address )?rejected: access denied|recipient addresses rejected ?: access denied|"
    r"utilisateur (?:\w{1,12} ){0,2}(?:inconnu|inexistant)|destinataire (?:\w{1,12} ){0,2}(?:inconnu|invalide|inexistant)|adresse (?:\w{1,12} ){0,6}(?:inconnue|invalide|inexistante|n'existe)|n'existe pas|boite (?:\w{1,12} ){0,3}(?:inconnue|inexistante)|(?:benutzer|empfanger|adresse|postfach|konto|teilnehmer)\w*(?: \w{1,12}){0,3} (?:unbekannt|existiert nicht|nicht (?:bekannt|gefunden|vorhanden))|unbekannte\w* (?:benutzer|empfanger|adresse)|existiert nicht|usuario (?:\w{1,12} ){0,3}(?:desconocid|inexistente|no existe|no encontrad|nao existe|nao encontrad|desconhecid)\w*|no existe (?:\w{1,12} ){0,3}(?:usuario|persona|cuenta|buzon|destinatario|direccion)|(?:cuenta|direccion|destinatario|buzon|conta|endereco) (?:\w{1,12} ){0,3}(?:no existe|inexistente|desconocid|nao existe|invalid|nao encontrad)\w*|utente (?:\w{1,12} ){0,2}(?:sconosciuto|inesistente|non trovato)|(?:indirizzo|casella|destinatario) (?:\w{1,12} ){0,3}(?:inesistente|sconosciut|non esiste|non trovat)\w*|nessun utente|(?:gebruiker|ontvanger|adres) (?:\w{1,12} ){0,2}(?:onbekend|bestaat niet)|onbekende (?:gebruiker|ontvanger)|nie (?:ma|istnieje|znaleziono)(?: \w{1,12}){0,2}(?: uzytkownik| adres| skrzynk| konto)\w*|(?:uzytkownik|adresat|skrzynka|konto)(?: \w{1,12}){0,2} (?:nieznan|nie istnieje)\w*|okand (?:mottagare|anvandare)|finns inte|neexist\w*|nezname|kullanici bulunamadi|пользовател\w*(?: \w{1,16}){0,2} не (?:наиден|найден|существует)|(?:ящик|адрес|получатель)\w*(?: \w{1,16}){0,2} (?:не (?:найден|наиден|существует)|неизвестен)|нет такого|неизвестныи|неизвестный|не существует|用户不存在|邮箱不存在|收件人不存在|地址不存在|不存在的|无此用户|ユーザーは?が?存在しま|宛先不明|該当するユーザー|存在しません"
)
_NOT_UNKNOWN = r"unverified|verification|verify|could not (?:be )?(?:verif|check)\w*|temporar\w*|address (?:\w{1,12} ){0,3}(?:not |un)(?:listed|resolv)|not have a|sender|from:|domain not found"
_DISABLED = (
    r"(?:mail ?box|account|user|recipient|inbox|alias|<addr>>?)\b[^.;]{0,60}?\b(?:disabled|inactive|suspend\w*|locked|closed|terminated|deactivated|deleted|frozen|expired|archived|discontinued|abandoned|not active|not activated|no longer (?:active|accepts?|receives?|receiving)|blocked from receiving|blocked due to inactivity|unlicen[sc]ed|inactivity)|(?:disabled|inactive|suspended|expired|deactivated|frozen|closed|dormant|archived|terminated|blocked) (?:\w{1,12} ){0,1}(?:mail ?box|account|user|recipient)\b|"
    r"disableduser|mail receiving disabled|compte (?:\w{1,12} ){0,3}(?:desactive|suspendu|ferme|bloque|inactif)|archivee|konto (?:\w{1,12} ){0,3}(?:gesperrt|deaktiviert|geschlossen)|(?:cuenta|conta) (?:\w{1,12} ){0,3}(?:desactivad|suspendid|deshabilitad|inactiv|desativad|suspens|bloquead)\w*|(?:account|casella|utente) (?:\w{1,12} ){0,3}(?:disabilitat|sospes|disattivat|bloccat)\w*|ящик(?: \w{1,16}){0,2} (?:заблокирован|отключен|неактивен)|(?:заблокирован|отключен)\w* (?:аккаунт|ящик)|账号(?:被|已)?(?:停用|冻结|禁用)|(?:帐户|用户|邮箱)(?:被|已)?(?:停用|冻结|禁用)"
)
_UNAVAILABLE = r"mail ?box (?:\w{1,12} ){0,2}(?:unavailable|unavaiable|unvailable|not available|is unavailable)|recipient (?:is )?(?:\w{1,12} )?unavailable|user (?:is )?unavailable"
_DOMAIN = r"(?:host|domain|destination|mail server|site)\b[^.;]{0,60}?\b(?:not found|does not exist|doesn't exist|unknown|no such|not resolv\w*|unresolv\w*|nxdomain|is invalid|not hosted)|(?:unknown|no such|nonexistent|non-existent|invalid|bad) (?:destination )?(?:domain|host|mail server)|null ?mx|does not accept (?:any )?(?:e-?)?mail|no mx\b|no (?:mail )?exchangers?|(?:no|without) (?:a |an )?(?:mx|a)(?: or (?:mx|a|aaaa))? record|unrouteable (?:mail )?domain|name (?:or )?service (?:not )?known|name not resolved|no-?domain\b|bad destination system|domaine (?:inconnu|inexistant)|domain (?:unbekannt|existiert nicht)|dominio (?:inexistente|sconosciuto|desconocido|no existe)|域名不存在"
_NOT_DOMAIN = r"sender|sending|helo|from|our|your|client|temporar\w*|try again|timed? ?out|database"
_NETWORK = r"timed? ?out|time-?out|connection (?:was )?(?:refused|reset|dropped|lost|closed|failed|broken|interrupted)|no answer from|(?:host|network|server|destination)(?: is| was)? (?:unreachable|down|not responding|not reachable|unavailable)|no route to|cannot (?:connect|reach)|could not (?:be reached|connect|contact|resolve|find a gateway)|couldn't (?:connect|find)|unable to (?:connect|reach|contact|resolve|establish)|lost connection|not? respon(?:d|se)|did not respond|dns (?:error|failure|query|lookup|server)|servfail|lookup (?:failed|failure)|name ?server|temporary (?:dns|resolution|lookup)|retry (?:time|timeout)|next ?hop|no healthy|network (?:error|problem)|all (?:hosts|relevant mx|mx)|connect(?:ion)? to"
_EXPIRED = r"(?:delivery|message|retry|queue|mail)(?: \w{1,12}){0,3} (?:expired|timed out|time exceeded|lifetime|timeout)|expired|too long in (?:the )?queue|in the queue too long|giving up|gave up|given up|(?:after|for) (?:\w{1,12} ){0,3}(?:attempts|retries|tries|hours|days)|could not be delivered (?:for|within|after)|within (?:\w{1,12} ){0,4}(?:queue period|days|hours)|not been collected|maximum (?:number of )?(?:retries|attempts)|numerous attempts|long (?:time|failure)|retry (?:time|timeout)"
_POLICY = r"polic(?:y|ies)|prohibit\w*|not (?:allowed|permitted|authori[sz]ed|acceptable|accepted)|access denied|denied|administrat\w*|rejected|refused|blocked|security|restrict\w*|forbidden|不允许|拒绝"

# Short names for the table alone, so that most rules fit a line.
_F, _R, _E, _C = Fault, Reason, RelayEffect, Certainty
_D, _B, _U = SendStatus.deferred, SendStatus.bounced, SendStatus.unsent
_MAIL, _RCPT, _DATA, _FINAL = SmtpPhase.mail, SmtpPhase.rcpt, SmtpPhase.data, SmtpPhase.final

# fmt: off
TABLE: tuple[Rule, ...] = (
    # About the connection, not the message. RFC 5321 section 3.8: 421 closes the channel. A limit of messages or time per
    # connection is no sign of trouble.
    _rule("rotation", _F.rate, _R.relay_busy, r"(?:max\w*|too many|limit)[^.;]{0,40}(?:messages?|mails?|transactions?)[^.;]{0,40}(?:connection|session)|"
          r"messages? per (?:connection|session)|(?:connection|session) (?:message )?limit(?!\w)|max message", *SmtpPhase, code="421", on_4xx=_U, effect=_E.rotate),
    _rule("idle", _F.rate, _R.relay_busy, r"\bidle\b|time-?(?:d )?out|timed out|inactivity|connection (?:expired|too old)", *SmtpPhase, code="421", on_4xx=_U, effect=_E.rotate),
    # RFC 5321 section 4.3.2: bad sequence of commands; server and client disagree about the state of the connection
    _rule("bad sequence", _F.unclear, _R.relay_busy, "", *SmtpPhase, code="503", unless=_AUTHENTICATE + "|" + _NOT_OURS, on_5xx=_U, effect=_E.rotate),

    # The size and form of this message, which MAIL announces: RFC 1870 section 6.1 (552), RFC 3463 section 3.4 (X.3.4), RFC 6531 section 3.5 (X.6.7)
    _rule("size by code", _F.content, _R.too_big, enhanced="3.4 2.3", unless=_FULL + "|" + _RATE),
    _rule("size at MAIL", _F.content, _R.too_big, "", _MAIL, code="552", unless=_OUR_ACCOUNT + "|" + _OUR_QUOTA + "|" + _FULL),
    _rule("smtputf8 by code", _F.content, _R.smtputf8_unsupported, enhanced="6.7"),
    _rule("smtputf8", _F.content, _R.smtputf8_unsupported, r"smtputf8|internationali[sz]ed (?:e-?mail )?address", code="5"),

    # The recipient accepts some senders only: Exchange's codes for restricted mailboxes and groups, and the words for it.
    _rule("restricted by code", _F.mailbox, _R.policy_refused, enhanced="7.134 7.133 7.124 7.129 7.12? 7.2", unless=_REPUTATION + "|" + _RATE + "|" + _UNAUTHENTICATED),
    _rule("restricted", _F.mailbox, _R.policy_refused, _RESTRICTED, code="5", unless=_REPUTATION + "|" + _RATE),

    # Our account at the relay: RFC 4954 section 6 (AUTH), RFC 3207 section 4 (530: STARTTLS first).
    _rule("login by code", _F.account, SendReason.auth_failed, "", _MAIL, code="530|534|535|538", on_5xx=_U, effect=_E.misconfigured),
    _rule("login by code, later", _F.account, _R.account_refused, "", code="530|534|535|538", on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured),
    # Our account's quota: 5.4.5 is Gmail's, "Throttling failure" Amazon's, 5.7.705 and 5.7.23? Microsoft's.
    _rule("tenant by code", _F.account, _R.account_refused, enhanced="7.705 7.232 7.233 7.750 1.90 7.708", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.cooldown),
    _rule("tenant blocked by code", _F.account, _R.account_refused, enhanced="1.8 7.501 7.502 7.503 7.703 7.704", unless=r"domain|resolv|sender address|unknown sender", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured),
    _rule("credits", _F.account, _R.account_refused, r"credits?\b", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.cooldown),
    _rule("account", _F.account, _R.account_refused, _OUR_ACCOUNT, on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured),
    _rule("sending quota by code", _F.account, _R.rate_limited, enhanced="4.5", on_5xx=_D, wait_s=10 * _MINUTE_S, effect=_E.cooldown),
    _rule("sending quota", _F.account, _R.rate_limited, _OUR_QUOTA, unless=r"mail ?box|queue quota|can receive|recipient has", on_5xx=_D, wait_s=10 * _MINUTE_S, effect=_E.cooldown),
    _rule("sending rate", _F.account, _R.rate_limited, _RATE, _MAIL, on_5xx=_D, wait_s=_MINUTE_S, effect=_E.cooldown),
    # 5.7.57 and 5.7.60 are Exchange's
    _rule("sender not ours by code", _F.sender, _R.sender_refused, enhanced="7.57 7.60 7.3", code="5", on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured),
    _rule("sender not ours", _F.sender, _R.sender_refused, _NOT_OURS, on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured),
    _rule("login by enhanced code", _F.account, _R.account_refused, "", _MAIL, code="5", enhanced="7.0 7.8 7.9 7.11 7.13 7.14", on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured, unless=_REPUTATION + "|" + _UNAUTHENTICATED),
    _rule("login", _F.account, _R.account_refused, _AUTHENTICATE, _MAIL, _RCPT, _DATA, unless=_UNAUTHENTICATED, on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured),
    _rule("TLS required", _F.account, _R.account_refused, _TLS, on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured),
    _rule("TLS unavailable", _F.network, _R.relay_unavailable, r"\btls\b", code="454", on_4xx=_D, wait_s=_MINUTE_S, effect=_E.cooldown),

    # Our host.
    _rule("HELO", _F.host, _R.host_refused, _HELO, on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured),
    _rule("reverse DNS", _F.host, _R.host_refused, _POINTER, on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured),
    _rule("reputation by code", _F.host, _R.host_refused, enhanced="7.25 7.27 7.506 7.508 7.511 7.513 7.6?? 7.649 7.28", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.cooldown),
    _rule("loop", _F.domain, _R.mail_loop, _LOOP, unless=_RATE.replace("too (?:many", "too (?:ma_ny")),
    _rule("listed content", _F.content, _R.spam_refused, r"\bdbl\b|surbl|uribl|\burls?\b|\blinks?\b|content|attachment", unless=r"very low reputation of the sending|\bip\b|client"),
    _rule("sender verification", _F.sender, _R.sender_refused, _SENDER_CHECK, on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured),
    _rule("sender authentication by code", _F.sender, _R.sender_unauthenticated, enhanced="7.20 7.21 7.22 7.23 7.24 7.26 7.30 7.31 7.32 7.509 7.515", on_5xx=_D, wait_s=_HOUR_S, effect=_E.misconfigured),
    _rule("sender authentication", _F.sender, _R.sender_unauthenticated, _UNAUTHENTICATED, on_5xx=_D, wait_s=_HOUR_S, effect=_E.misconfigured),
    # The right to send through this relay: RFC 5321 sections 3.6.2 and 7.9
    _rule("relaying denied", _F.account, _R.relaying_denied, _RELAYING, on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured, certainty=_C.likely),
    _rule("reputation", _F.host, _R.host_refused, _REPUTATION, unless=r"blocked senders|block-send|block-rcpt|customized-block|envelope blocked|:? ?blocked\)?$", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.cooldown),

    # The rate, also where a code of a mailbox goes with it. 4.7.28 is Gmail's.
    _rule("rate by code", _F.rate, _R.rate_limited, enhanced="7.28 2.121 2.122 7.650 7.651", on_5xx=_D, wait_s=10 * _MINUTE_S),
    _rule("client errors", _F.rate, _R.rate_limited, r"too many (?:\w{1,12} ){0,2}(?:invalid|unknown|bad|wrong|non-?existent|failed|errors)", on_5xx=_D, wait_s=10 * _MINUTE_S, effect=_E.cooldown),
    _rule("rate", _F.rate, _R.rate_limited, _RATE, unless=r"too many messages (?:on|in)|mail ?box (?:is )?full|over ?quota|has too many", on_5xx=_D, wait_s=10 * _MINUTE_S),

    # Our sender address.
    _rule("sender at MAIL", _F.sender, _R.sender_refused, "", _MAIL, code="5", on_5xx=_D, wait_s=5 * _MINUTE_S, effect=_E.misconfigured, certainty=_C.likely),
    _rule("sender by code", _F.sender, _R.sender_refused, enhanced="1.7 1.8", wait_s=5 * _MINUTE_S, effect=_E.misconfigured, certainty=_C.likely, on_5xx=_D),
    _rule("sender domain", _F.sender, _R.sender_refused, r"sender (?:address )?rejected|(?:domain of (?:the )?sender|sender(?:'s)? domain|sending domain|sender address)(?: \w{1,12}){0,4} (?:not|does|invalid|must|need)", on_5xx=_D, wait_s=30 * _MINUTE_S, effect=_E.misconfigured, certainty=_C.likely),
    _rule("sender", _F.sender, _R.sender_refused, _SENDER, certainty=_C.likely),

    # The mailbox, by words.
    _rule("greylisted", _F.rate, _R.greylisted, _GREY, code="4", wait_s=5 * _MINUTE_S),
    # RFC 5321 section 4.2.3 (452), RFC 3463 section 3.4 (X.3.1)
    _rule("system storage", _F.domain, _R.relay_busy, r"(?:insufficient|system)[^.;]{0,20}(?:storage|resources?|disk)", code="4", unless=r"mail ?box|user|quota", wait_s=5 * _MINUTE_S),
    _rule("size", _F.content, _R.too_big, _SIZE, unless=_NOT_MESSAGE_SIZE),
    # A full mailbox may have room again: never suppressed. RFC 3463 section 3.3 (X.2.2)
    _rule("mailbox full", _F.mailbox, _R.mailbox_full, _FULL, unless=r"system storage|" + _SPAM.replace(r"scored?\b|", ""), scores=True, wait_s=_HOUR_S),
    _rule("mailbox full by code", _F.mailbox, _R.mailbox_full, enhanced="2.2", scores=True, wait_s=_HOUR_S),
    _rule("spam", _F.content, _R.spam_refused, _SPAM, unless=r"user unknown|unknown user|no such user|does not exist|(?:mail ?box|account)[^.;]{0,40}(?:disabled|inactive|suspended)|not found", wait_s=_HOUR_S),
    _rule("mailbox disabled", _F.mailbox, _R.mailbox_disabled, _DISABLED, unless=r"temporar\w*|your account", suppress=True, scores=True, wait_s=_HOUR_S),
    _rule("mailbox disabled for now", _F.mailbox, _R.mailbox_disabled, _DISABLED, scores=True, wait_s=_HOUR_S),
    _rule("mailbox unknown", _F.mailbox, _R.mailbox_unknown, _UNKNOWN, code="5", unless=_NOT_UNKNOWN, suppress=True),
    _rule("mailbox unknown for now", _F.mailbox, _R.temporary, _UNKNOWN, code="4", wait_s=30 * _MINUTE_S),
    _rule("domain unknown", _F.domain, _R.domain_unknown, _DOMAIN, unless=_NOT_DOMAIN, suppress=True),

    # The network between the relay and the recipient's server. X.4.1 is "no answer from host" (RFC 3463 section 3.5);
    # only Exchange Online uses it for a recipient that its directory does not hold, and its words are above.
    _rule("network", _F.network, _R.destination_unreachable, _NETWORK, certainty=_C.likely),
    # RFC 3463 section 3.3 (X.2.1), the mailbox unavailable of RFC 5321
    _rule("mailbox unavailable", _F.mailbox, _R.mailbox_unknown, _UNAVAILABLE, code="5", unless=r"policy|access denied|temporar\w*", suppress=True, certainty=_C.likely),

    # Permanent and temporary codes without words that say more.
    # RFC 3463 section 3.2 (X.1.1, X.1.3, X.1.6), RFC 7505 section 4 (X.1.10, null MX; Exchange: no such recipient)
    _rule("mailbox by code", _F.mailbox, _R.mailbox_unknown, code="5", enhanced="1.1 1.3 1.6 1.10", unless=_POLICY.replace("rejected|", "") + "|policy", suppress=True),
    _rule("mailbox disabled by code", _F.mailbox, _R.mailbox_disabled, code="5", enhanced="2.1", unless="policy", suppress=True),
    _rule("mailbox disabled by code, temporary", _F.mailbox, _R.mailbox_disabled, code="4", enhanced="2.1", scores=True, wait_s=_HOUR_S),
    # RFC 3463 sections 3.2 (X.1.2) and 3.5 (X.4.4)
    _rule("domain by code", _F.domain, _R.domain_unknown, code="5", enhanced="1.2 4.4 4.310", suppress=True),
    _rule("loop by code", _F.domain, _R.mail_loop, enhanced="4.6 4.14"),
    _rule("expired by code", _F.network, _R.destination_unreachable, enhanced="4.1 4.2 4.3 4.7 4.316 4.317 4.300 4.312"),
    # RFC 5321 section 4.2.3: exceeded storage allocation. 552 is used for content and size too, whose words are above.
    _rule("storage by code", _F.mailbox, _R.mailbox_full, code="552", unless=_POLICY, enhanced="-", scores=True, certainty=_C.likely),
    # RFC 5321 sections 3.4 (551) and 4.2.3 (553)
    _rule("not a local user", _F.mailbox, _R.mailbox_unknown, "", _RCPT, code="551", enhanced="-", suppress=True, certainty=_C.likely),
    _rule("mailbox name", _F.mailbox, _R.mailbox_unknown, "", _RCPT, code="553", enhanced="-", unless=_POLICY, suppress=True, certainty=_C.likely),
    # RFC 3463 section 3.7 (X.6.X)
    _rule("content by code", _F.content, _R.invalid_content, code="5", enhanced="6.*"),
    _rule("content", _F.content, _R.invalid_content, r"(?:message|content|header)s?(?: \w{1,12}){0,3} (?:malformed|rejected as invalid|not rfc|missing|invalid)|not rfc|header", code="5"),
    # RFC 6647 section 2 (greylisting) by its usual codes, RFC 3463 section 3.8 (X.7.1, X.7.X)
    _rule("greylisted by code", _F.rate, _R.greylisted, code="45[01]", enhanced="7.1", wait_s=5 * _MINUTE_S, certainty=_C.likely),
    _rule("policy, temporary", _F.unclear, _R.policy_refused, code="4", enhanced="7.*", wait_s=30 * _MINUTE_S, certainty=_C.unclear),
    # RFC 5321 section 4.5.3.1.10 (452), RFC 3463 section 3.6 (X.5.3)
    _rule("too many recipients", _F.rate, _R.relay_busy, code="452", enhanced="5.3", wait_s=_MINUTE_S),
    # In reply to MAIL the recipient plays no part yet; later a 421 may be about the recipient, so the attempt counts.
    _rule("421 before the recipient", _F.rate, _R.relay_busy, "", _MAIL, code="421", on_4xx=_U, effect=_E.cooldown),
    _rule("421", _F.rate, _R.relay_busy, code="421", effect=_E.cooldown, certainty=_C.likely),
    _rule("temporary", _F.unclear, _R.temporary, code="4", certainty=_C.unclear),
    _rule("policy by code", _F.unclear, _R.policy_refused, code="5", enhanced="7.*", certainty=_C.likely),
    _rule("policy", _F.unclear, _R.policy_refused, _POLICY, code="5", certainty=_C.likely),
    _rule("permanent", _F.unclear, _R.permanent, code="5", certainty=_C.unclear),
)
# fmt: on

EXPIRED = re.compile(_EXPIRED)
"""The words of a server that has stopped trying."""

DELAYED = re.compile(
    r"\bdelay(?:ed|ing)?\b|will (?:continue to )?(?:be )?(?:retr|try|keep|attempt)\w*|not yet (?:been )?delivered|still (?:trying|being)|"
    r"attempts will continue|do(?:n't| not) need to (?:resend|do anything)|(?:delivery )?warning|has been deferred|will be (?:retried|attempted)|verzogert|retarde|in ritardo"
)
"""The words of a notice that nothing is decided yet."""
