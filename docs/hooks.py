"""Hooks of the documentation site: links that leave docs/ go to the repository, those of notebooks to pages."""

import logging
import posixpath
import re
from pathlib import Path

LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)")
NOTEBOOK_LINK = re.compile(r'href="([^":#]+\.md)(#[^"]*)?"')
log = logging.getLogger("mkdocs.hooks.links")


def on_page_markdown(markdown, page, config, files):
    """Replace `](../path)` by the address of the file on GitHub; warn if the checkout has no such file.

    A warning fails `mkdocs build --strict`.
    """
    root = Path(config.config_file_path).parent
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def link(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, match[2]))
        if path.startswith("docs/"):
            return match[0]
        target = root / path
        if path.startswith("../") or not target.exists():
            log.warning(f"{page.file.src_uri}: link to {match[2]}, which does not exist in the repository")
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{match[1]}{config.repo_url.rstrip('/')}/{kind}/main/{path}"

    return LINK.sub(link, markdown)


def on_page_content(html, page, config, files):
    """Replace `page.md` in the links of a notebook, which MkDocs leaves as it is; warn if there is no such page."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html

    def link(match: re.Match) -> str:
        target = files.get_file_from_path(posixpath.join(posixpath.dirname(page.file.src_uri), match[1]))
        if target is None:
            log.warning(f"{page.file.src_uri}: link to {match[1]}, which is no page")
            return match[0]
        return f'href="{target.url_relative_to(page.file)}{match[2] or ""}"'

    return NOTEBOOK_LINK.sub(link, html)
