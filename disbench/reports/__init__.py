"""Reports of results: tables, pages, plots and pictures."""
