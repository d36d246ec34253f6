"""Templates: what a person reads, in their language, as the bytes of a mail or a line of the inbox."""

from service.adapters.templates.library import TemplateFault
from service.adapters.templates.preview import Preview, preview_of, render_preview
from service.adapters.templates.renderer import TemplateRenderer

__all__ = ["Preview", "TemplateFault", "TemplateRenderer", "preview_of", "render_preview"]
