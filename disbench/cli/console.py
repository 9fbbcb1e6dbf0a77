"""What several commands print."""

from disbench.system.console import print_json


def print_results(results, metrics: tuple[str, ...] | None, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "run": str(r.folder),
                    "title": r.title,
                    "dataset": r.dataset,
                    "protocol": r.protocol,
                    "size": r.size,
                    "signature": r.signature,
                    "scores": r.scores(metrics),
                }
                for r in results
            ]
        )
        return
    from disbench.reports.terminal import print_results_table

    print_results_table(results, metrics)
