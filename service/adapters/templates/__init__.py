"""Rendering: a delivery becomes the bytes of an email or one line of the inbox, in the recipient's language.

How an email is made:

1. `library` picks the page of the type for the recipient's locale and compiles it once (`layout`, `styles`, `page`).
2. `context` gives the template its names: the event's data, the recipient, links to the product.
3. `environment` runs the template, sandboxed; `formats` writes dates, numbers and money.
4. `headers` and `quoted_printable` encode the pieces; `message` joins them to an RFC 5322 message.
5. `renderer` ties these together and adds the DKIM signature; `digest` has the lines of a digest.

`check` tests every template at the start, `coverage` finds what is missing although all can be used, `preview` and
`sample` render a type without an event.
"""

from service.adapters.template_files import TemplateFault
from service.adapters.templates.coverage import CoverageGap, coverage_gaps, log_gaps
from service.adapters.templates.preview import Preview, digest_samples, render_preview
from service.adapters.templates.renderer import TemplateRenderer

__all__ = [
    "CoverageGap",
    "Preview",
    "TemplateFault",
    "TemplateRenderer",
    "coverage_gaps",
    "digest_samples",
    "log_gaps",
    "render_preview",
]
