"""Tables of papers, read from their sources for the audit: LaTeX, Markdown and CSV."""
